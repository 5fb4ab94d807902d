// The elements that act: each takes what it shows from the fields, and tells the app when it is used.
import { useId, useRef, useState } from "react";
import { Text } from "./blocks.jsx";
import { Combobox } from "./combobox.jsx";
import { initial, put, useFields } from "./fields.jsx";
import { Icon } from "./icon.jsx";
import { useHere } from "./live.js";
import { Menu } from "./menu.jsx";

export function Element({ element, block, where, labelledby }) {
  const { act, tell, me } = useHere();
  const { fields, setFields } = useFields();
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(null);
  const Drawn = DRAWN[element.type] ?? Unknown;
  const held = fields[block.block_id]?.[element.action_id];
  const value = held === undefined ? initial(element) : held;

  const press = async (next, state) => {
    setAsking(null);
    setBusy(true);
    const named = { block_id: block.block_id, action_id: element.action_id, value: next };
    const answer = await act({ act: "press", where, ...named, state });
    setBusy(false);
    if (answer.error) tell(`The app did not answer: ${answer.error}`);
  };
  // In a form only a block with `dispatch_action` tells the app before the form is sent.
  const silent = block.type === "input" && !block.dispatch_action;
  const use = (next, stateful = true) => {
    const state = stateful ? put(fields, block.block_id, element.action_id, next) : fields;
    if (stateful) setFields(state);
    if (silent) return;
    if (element.confirm) setAsking(() => () => press(next, state));
    else press(next, state);
  };
  const keep = (next) => setFields(put(fields, block.block_id, element.action_id, next));
  const suggest = (query) =>
    act({ act: "suggest", where, block_id: block.block_id, action_id: element.action_id, query }).then(
      (answer) => answer.options ?? [],
    );
  const seen = element.visible_to_user_ids;
  if (seen && !seen.includes(me)) return null;
  return (
    <>
      <Drawn {...{ element, value, use, keep, busy, suggest, labelledby, told: !silent }} />
      {asking && <Confirm confirm={element.confirm} yes={asking} no={() => setAsking(null)} />}
    </>
  );
}

function Confirm({ confirm, yes, no }) {
  const show = (dialog) => dialog && !dialog.open && dialog.showModal();
  const id = useId();
  return (
    <dialog className="modal confirm" ref={show} onCancel={no} aria-labelledby={id}>
      <header>
        <h2 id={id}>{confirm.title.text}</h2>
      </header>
      <div className="content">
        <Text text={confirm.text.text} kind={confirm.text.type} />
      </div>
      <footer>
        <button type="button" className="element" onClick={no}>
          {confirm.deny.text}
        </button>
        <button type="button" className={`element ${confirm.style ?? "primary"}`} onClick={yes} autoFocus>
          {confirm.confirm.text}
        </button>
      </footer>
    </dialog>
  );
}

const WEB = /^https?:\/\//;

function Button({ element, use, busy }) {
  const press = () => {
    if (WEB.test(element.url ?? "")) window.open(element.url, "_blank", "noreferrer");
    use(undefined, false);
  };
  return (
    <button
      type="button"
      className={`element ${element.style ?? ""}`}
      aria-label={element.accessibility_label}
      aria-busy={busy}
      disabled={busy}
      onClick={press}
    >
      {element.text.text}
    </button>
  );
}

function Feedback({ element, use, busy }) {
  const button = (name, sign) => (
    <button
      type="button"
      className="element"
      disabled={busy}
      title={element[name].text.text}
      aria-label={element[name].accessibility_label ?? element[name].text.text}
      onClick={() => use(name.split("_")[0], false)}
    >
      <Icon name={sign} />
    </button>
  );
  return (
    <span className="feedback">
      {button("positive_button", "up")}
      {button("negative_button", "down")}
    </span>
  );
}

function Bin({ element, use, busy }) {
  const label = element.accessibility_label ?? element.text.text;
  return (
    <button type="button" className="element" aria-label={label} title={label} disabled={busy} onClick={() => use(undefined, false)}>
      <Icon name="bin" />
    </button>
  );
}

function Overflow({ element, use }) {
  const choose = (option) => {
    if (WEB.test(option.url ?? "")) window.open(option.url, "_blank", "noreferrer");
    use(option, false);
  };
  return <Menu label="More" sign="⋯" items={element.options} text={(one) => one.text.text} choose={choose} />;
}

const asOption = (one) => ({ text: { type: "plain_text", text: one.name }, value: one.id });

/** The options to choose from, and how a choice is told: as an option or, for people and channels, as an id. */
function useOptions(element) {
  const { picture } = useHere();
  if (element.type.includes("users_select")) {
    const people = Object.values(picture.users).filter((one) => !one.bot);
    return { groups: [{ options: people.map(asOption) }], byId: true };
  }
  if (/(conversations|channels)_select/.test(element.type)) {
    const rooms = picture.channels.filter((one) => one.name);
    return { groups: [{ options: rooms.map((one) => asOption({ id: one.id, name: `#${one.name}` })) }], byId: true };
  }
  return { groups: element.option_groups ?? [{ options: element.options }], byId: false };
}

function Select({ element, value, use, busy, labelledby }) {
  const { groups, byId } = useOptions(element);
  const all = groups.flatMap((one) => one.options);
  const chosen = (byId ? value : value?.value) ?? "";
  const choose = (event) => {
    const option = all.find((one) => one.value === event.target.value);
    use(option ? (byId ? option.value : option) : null);
  };
  const draw = (one) => (
    <option key={one.value} value={one.value}>
      {one.text.text}
    </option>
  );
  const label = element.placeholder?.text ?? "Choose";
  return (
    <select className="element" value={chosen} onChange={choose} disabled={busy} aria-labelledby={labelledby} aria-label={label}>
      <option value="" disabled={!chosen}>
        {label}
      </option>
      {groups.map((group, index) =>
        group.label ? (
          <optgroup key={index} label={group.label.text}>
            {group.options.map(draw)}
          </optgroup>
        ) : (
          group.options.map(draw)
        ),
      )}
    </select>
  );
}

function Several({ element, value, use, labelledby }) {
  const { groups, byId } = useOptions(element);
  const options = groups.flatMap((one) => one.options);
  const key = (one) => (byId ? one : one.value);
  const chosen = new Set((value ?? []).map(key));
  const toggle = (option) => {
    const next = options.filter((one) => (one === option ? !chosen.has(one.value) : chosen.has(one.value)));
    use(next.map((one) => (byId ? one.value : one)));
  };
  const list = (
    <div role="group" aria-labelledby={labelledby} className="choices">
      {options.map((one) => (
        <label key={one.value}>
          <input type="checkbox" checked={chosen.has(one.value)} onChange={() => toggle(one)} />
          <span>
            {one.text.text}
            {one.description && <small>{one.description.text}</small>}
          </span>
        </label>
      ))}
    </div>
  );
  if (element.type === "checkboxes") return list;
  return (
    <details className="several">
      <summary className="element">{chosen.size ? `${chosen.size} chosen` : (element.placeholder?.text ?? "Choose")}</summary>
      {list}
    </details>
  );
}

function Radio({ element, value, use, labelledby }) {
  const name = useId();
  return (
    <div role="radiogroup" aria-labelledby={labelledby} className="choices">
      {element.options.map((one) => (
        <label key={one.value}>
          <input type="radio" name={name} checked={value?.value === one.value} onChange={() => use(one)} />
          <span>
            {one.text.text}
            {one.description && <small>{one.description.text}</small>}
          </span>
        </label>
      ))}
    </div>
  );
}

const KINDS = { email_text_input: "email", url_text_input: "url", number_input: "number" };

function Typed({ element, value, keep, use, told, labelledby }) {
  const common = {
    className: "element",
    "aria-labelledby": labelledby,
    placeholder: element.placeholder?.text,
    value: value ?? "",
    maxLength: element.max_length ?? 3000,
    autoFocus: element.focus_on_load,
    onChange: (event) => keep(event.target.value),
  };
  if (element.multiline) return <textarea {...common} rows={8} spellCheck={false} />;
  const enter = (event) => {
    if (event.key !== "Enter" || !told) return;
    event.preventDefault();
    use(event.target.value);
  };
  return <input {...common} type={KINDS[element.type] ?? "text"} step="any" onKeyDown={enter} />;
}

function RichTyped({ value, keep, labelledby }) {
  const text = value?.elements?.[0]?.elements?.[0]?.text ?? "";
  const change = (event) =>
    keep({
      type: "rich_text",
      elements: [{ type: "rich_text_section", elements: [{ type: "text", text: event.target.value }] }],
    });
  return <textarea className="element" rows={5} value={text} onChange={change} aria-labelledby={labelledby} />;
}

const PICKERS = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };

function Picker({ element, value, use, labelledby }) {
  const epoch = element.type === "datetimepicker";
  const shown = epoch && value ? local(value) : (value ?? "");
  const change = (event) => use(epoch ? Math.floor(new Date(event.target.value).getTime() / 1000) : event.target.value);
  const label = element.placeholder?.text ?? "Choose";
  return (
    <input className="element" type={PICKERS[element.type]} value={shown} onChange={change} aria-labelledby={labelledby} aria-label={label} />
  );
}

function local(seconds) {
  const date = new Date(seconds * 1000);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function External({ element, value, use, suggest, labelledby }) {
  const many = element.type.startsWith("multi_");
  const chosen = many ? (value ?? []) : value ? [value] : [];
  const choose = (option) => use(many ? [...chosen.filter((one) => one.value !== option.value), option] : option);
  const drop = (option) => use(chosen.filter((one) => one !== option));
  return (
    <span className="external">
      {many &&
        chosen.map((one) => (
          <button type="button" key={one.value} className="chip" aria-label={`Remove ${one.text.text}`} onClick={() => drop(one)}>
            {one.text.text} ✕
          </button>
        ))}
      <Combobox
        placeholder={element.placeholder?.text ?? "Type to search"}
        least={element.min_query_length ?? 3}
        shown={many ? "" : (chosen[0]?.text.text ?? "")}
        {...{ suggest, choose, labelledby }}
      />
    </span>
  );
}

function Unknown({ element }) {
  return <span className="unknown">This page cannot show a {element.type}.</span>;
}

const DRAWN = {
  button: Button,
  workflow_button: Button,
  overflow: Overflow,
  feedback_buttons: Feedback,
  icon_button: Bin,
  static_select: Select,
  users_select: Select,
  conversations_select: Select,
  channels_select: Select,
  multi_static_select: Several,
  multi_users_select: Several,
  multi_conversations_select: Several,
  multi_channels_select: Several,
  checkboxes: Several,
  radio_buttons: Radio,
  plain_text_input: Typed,
  email_text_input: Typed,
  url_text_input: Typed,
  number_input: Typed,
  rich_text_input: RichTyped,
  datepicker: Picker,
  timepicker: Picker,
  datetimepicker: Picker,
  external_select: External,
  multi_external_select: External,
};
