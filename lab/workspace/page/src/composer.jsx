import { useRef, useState } from "react";
import { useHere } from "./live.js";

/** What could come next, for the word that is being typed: people, groups, channels, or a command at the very start. */
function proposals(picture, text) {
  const word = text.match(/(?:^|\s)([@#][\w.-]*)$/)?.[1];
  const starts = (names, sign) => names.map((name) => sign + name).filter((name) => name.startsWith(word));
  if (word?.[0] === "@") {
    const people = Object.values(picture.users).filter((one) => one.handle !== "slackbot");
    return starts([...people.map((one) => one.handle), ...Object.values(picture.groups).map((one) => one.name)], "@");
  }
  if (word?.[0] === "#") return starts(picture.channels.map((one) => one.name).filter(Boolean), "#");
  if (/^\/\w*$/.test(text)) return Object.keys(picture.commands).filter((one) => one.startsWith(text));
  return [];
}

export function Composer({ channel, thread, label }) {
  const { picture, act, tell } = useHere();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const [waiting, setWaiting] = useState("");
  const field = useRef(null);
  const offers = proposals(picture, text).filter((one) => !text.endsWith(one));
  const usage = picture.commands[text.split(" ")[0]];

  const take = (offer) => {
    setText(`${text.replace(/[@#/][\w.-]*$/, "")}${offer} `);
    setChosen(0);
    field.current.focus();
  };
  const send = async () => {
    const said = text.trim();
    if (!said) return;
    if (said.startsWith("/") && thread) {
      tell("Commands do not work in threads, as in Slack. Write @kai … instead.");
      return;
    }
    setText("");
    const kind = said.startsWith("/") ? "command" : "say";
    setWaiting(kind === "command" ? said.split(" ")[0] : "");
    const answer = await act({ act: kind, text: said, channel: channel.id, thread_ts: thread });
    setWaiting("");
    if (answer.error && answer.acked === undefined) {
      tell(answer.error); // it never left: Slack's own errors about a command come as a message
      setText((since) => since || said);
    }
  };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (offers.length && step) {
      event.preventDefault();
      setChosen((chosen + step + offers.length) % offers.length);
    } else if (offers.length && (event.key === "Tab" || event.key === "Enter")) {
      event.preventDefault();
      take(offers[chosen] ?? offers[0]);
    } else if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {offers.length > 0 && (
        <ul className="offers" role="listbox" aria-label="Suggestions">
          {offers.map((one, index) => (
            <li key={one} role="option" aria-selected={index === chosen} onClick={() => take(one)}>
              {one}
            </li>
          ))}
        </ul>
      )}
      {waiting && (
        <p className="usage waiting-for" role="status">
          {waiting} was sent, KAI has not answered yet…
        </p>
      )}
      {usage && <p className="usage">{`${text.split(" ")[0]} ${usage}`}</p>}
      <textarea
        ref={field}
        rows={Math.min(6, text.split("\n").length)}
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={key}
      />
      <button type="submit" disabled={!text.trim()}>
        Send
      </button>
    </form>
  );
}
