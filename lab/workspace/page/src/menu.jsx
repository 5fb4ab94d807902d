import { useEffect, useId, useRef, useState } from "react";

/** A button that opens a list of choices. Arrow keys move, Enter chooses, Escape closes. */
export function Menu({ label, sign, items, text, choose }) {
  const [open, setOpen] = useState(false);
  const list = useRef(null);
  const button = useRef(null);
  const id = useId();
  useEffect(() => {
    if (!open) return undefined;
    list.current.querySelector("button")?.focus();
    const outside = (event) => !list.current?.contains(event.target) && !button.current.contains(event.target) && setOpen(false);
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current.focus();
  };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    if (!step) return;
    event.preventDefault();
    const all = [...list.current.querySelectorAll("button")];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  };
  if (!items.length) return null;
  return (
    <span className="menu">
      <button ref={button} aria-label={label} aria-haspopup="menu" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
        {sign}
      </button>
      {open && (
        <ul ref={list} id={id} role="menu" onKeyDown={key}>
          {items.map((one, index) => (
            <li key={index} role="none">
              <button
                role="menuitem"
                onClick={() => {
                  close();
                  choose(one);
                }}
              >
                {text(one)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </span>
  );
}
