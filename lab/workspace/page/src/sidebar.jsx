import { useEffect, useState } from "react";
import { Icon } from "./icon.jsx";
import { useHere } from "./live.js";
import { Avatar } from "./message.jsx";

/** Channels with something new since one last looked; looking is being in the channel. */
function useUnread(channels, place) {
  const [seen, setSeen] = useState(() => Object.fromEntries(channels.map((one) => [one.id, last(one)])));
  const open = channels.find((one) => one.id === place);
  useEffect(() => {
    if (open) setSeen((before) => ({ ...before, [open.id]: last(open) }));
  }, [open && last(open), place]);
  return (channel) => channel.id !== place && last(channel) > (seen[channel.id] ?? 0);
}

const last = (channel) => Number(channel.messages.at(-1)?.ts ?? 0);

export function Sidebar({ place, go, become, user, theme, setTheme, close }) {
  const { picture } = useHere();
  const unread = useUnread(picture.channels, place);
  const rooms = picture.channels.filter((one) => one.kind !== "im");
  const direct = picture.channels.find((one) => one.kind === "im");
  const entry = (id, label, sign, isNew) => (
    <li key={id}>
      <button aria-current={place === id ? "page" : undefined} className={isNew ? "unread" : ""} onClick={() => go(id)}>
        <span aria-hidden="true" className="sign">
          {sign}
        </span>
        {label}
        {isNew && <span className="hidden"> (new messages)</span>}
      </button>
    </li>
  );
  return (
    <nav className="sidebar" aria-label="Workspace">
      <header>
        <img src="/static/favicon.svg" alt="" />
        <h1>KAI lab</h1>
        <button className="quiet" onClick={() => setTheme(theme === "dark" ? "light" : "dark")}>
          {theme === "dark" ? "Light" : "Dark"}
        </button>
        <button className="quiet narrow-only" aria-label="Close menu" onClick={close}>
          ✕
        </button>
      </header>
      <WhoAmI {...{ user, become }} />
      <h2>Channels</h2>
      <ul>{rooms.map((one) => entry(one.id, one.name, one.kind === "group" ? <Icon name="lock" /> : "#", unread(one)))}</ul>
      <h2>App</h2>
      <ul>
        {entry("home", "KAI: home", <Icon name="home" />, false)}
        {direct && entry(direct.id, "KAI: messages", "@", unread(direct))}
      </ul>
    </nav>
  );
}

function WhoAmI({ user, become }) {
  const { picture } = useHere();
  const people = Object.values(picture.users).filter((one) => !one.bot);
  const me = picture.users[picture.me];
  const role = (one) => (one.stranger ? "partner" : one.guest ? "guest" : one.title);
  return (
    <label className="who">
      <Avatar author={me} small />
      <span className="hidden">You are</span>
      <select value={user} onChange={(event) => become(event.target.value)}>
        {people.map((one) => (
          <option key={one.id} value={one.handle}>
            {one.name}
            {role(one) ? `, ${role(one)}` : ""}
          </option>
        ))}
      </select>
    </label>
  );
}
