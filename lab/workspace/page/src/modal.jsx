import { useEffect, useRef, useState } from "react";
import { Blocks } from "./blocks.jsx";
import { useHere } from "./live.js";
import { FieldsOf } from "./fields.jsx";

/** The topmost of the open views; those below wait. */
export function Modals() {
  const { picture } = useHere();
  const view = picture.views.at(-1);
  return view ? <Modal key={view.id} view={view} depth={picture.views.length} /> : null;
}

function Modal({ view, depth }) {
  const { act } = useHere();
  const dialog = useRef(null);
  const [fields, setFields] = useState({});
  const [errors, setErrors] = useState({});
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  const where = { type: "modal", id: view.id };
  const type = (next) => {
    setFields(next); // a field that is filled in is not wrong any more, until the app says so again
    setErrors((now) => Object.fromEntries(Object.entries(now).filter(([block]) => next[block] === fields[block])));
  };
  useEffect(() => {
    const element = dialog.current;
    element.showModal();
    return () => element.close();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    act({ act: "close", where });
  };
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const answer = await act({ act: "submit", where, state: fields });
    setBusy(false);
    setErrors(answer.errors ?? {});
    setTrouble(answer.error && answer.error !== "incomplete" ? `The app did not answer as it should (${answer.error}). Try again?` : "");
  };
  return (
    <dialog className="modal" ref={dialog} onCancel={cancel} aria-labelledby="modal-title">
      <form onSubmit={submit} noValidate>
        <header>
          <h2 id="modal-title">
            {depth > 1 && "‹ "}
            {view.title.text}
          </h2>
          <button type="button" className="quiet" aria-label="Close" onClick={cancel}>
            ✕
          </button>
        </header>
        <div className="content">
          {trouble && (
            <p className="trouble" role="alert">
              {trouble}
            </p>
          )}
          <FieldsOf.Provider value={{ fields, setFields: type, errors }}>
            <Blocks blocks={view.blocks} where={where} />
          </FieldsOf.Provider>
        </div>
        <footer>
          <button type="button" className="element" onClick={cancel}>
            {view.close?.text ?? "Close"}
          </button>
          {view.submit && (
            <button type="submit" className="element primary" disabled={busy || view.submit_disabled}>
              {busy ? "Sending…" : view.submit.text}
            </button>
          )}
        </footer>
      </form>
    </dialog>
  );
}
