import { Composer } from "./composer.jsx";
import { Icon } from "./icon.jsx";
import { Messages } from "./messages.jsx";

const SIGN = { channel: "#", group: <Icon name="lock" />, im: "" };

export function Channel({ channel, openThread, openMenu }) {
  const top = channel.messages.filter(
    (one) => !one.thread_ts || one.thread_ts === one.ts || one.subtype === "thread_broadcast",
  );
  const name = channel.kind === "im" ? "KAI" : channel.name;
  return (
    <section className="pane" aria-label={`Channel ${name}`}>
      <header>
        <button className="quiet narrow-only" aria-label="Open menu" onClick={openMenu}>
          ☰
        </button>
        <h2>
          {SIGN[channel.kind]}
          {name}
        </h2>
        {channel.shared && <span className="badge">shared with another company</span>}
        <span className="topic">{channel.topic}</span>
        {channel.kind !== "im" && <span className="count">{channel.members} members</span>}
      </header>
      <Messages messages={top} openThread={openThread} />
      <Composer channel={channel} label={`Message ${channel.kind === "channel" ? "#" : ""}${name}`} />
    </section>
  );
}
