import { useEffect, useMemo, useRef, useState } from "react";
import { Channel } from "./channel.jsx";
import { Home } from "./home.jsx";
import { Here, act, useKept, useLive, useRead } from "./live.js";
import { Modals } from "./modal.jsx";
import { Sidebar } from "./sidebar.jsx";
import { Thread } from "./thread.jsx";

const HOME = "home";

/** `/archives/C0INCIDENTS/p1700000000000100`: where a permalink leads. */
function permalink() {
  const found = location.pathname.match(/^\/archives\/(\w+)\/p(\d+)(\d{6})$/);
  return found && { channel: found[1], ts: `${found[2]}.${found[3]}` };
}

function useTheme() {
  const [theme, setTheme] = useKept("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return [theme, setTheme];
}

function useToasts() {
  const [toasts, setToasts] = useState([]);
  const tell = (text) => {
    const toast = { id: crypto.randomUUID(), text };
    setToasts((all) => [...all, toast]);
    setTimeout(() => setToasts((all) => all.filter((one) => one !== toast)), 6000);
  };
  return [toasts, tell];
}

export function App() {
  const [asked, setAsked] = useState(() => new URLSearchParams(location.search).get("as"));
  const [kept, setUser] = useKept("user", "alice");
  const user = asked ?? kept;
  const { picture, up, refused } = useLive(user);
  const { isRead, markRead, read } = useRead(picture);
  const [theme, setTheme] = useTheme();
  const [toasts, tell] = useToasts();
  const target = useRef(permalink());
  const [place, setPlace] = useState(target.current?.channel ?? "C0INCIDENTS");
  const [thread, setThread] = useState(null);
  const [menu, setMenu] = useState(false);

  useEffect(() => {
    const goal = target.current;
    const message = goal && picture && messageOf(picture, goal.channel, goal.ts);
    if (message) {
      target.current = null;
      setThread(message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : null);
      requestAnimationFrame(() => document.getElementById(`m${goal.ts}`)?.scrollIntoView({ block: "center" }));
    }
  }, [picture]);

  const here = useMemo(
    () => picture && { picture, me: picture.me, theme, tell, isRead, markRead, act: (body) => act(user, body) },
    [picture, theme, user, read],
  );
  const shown = place === HOME ? "KAI" : nameOf(picture?.channels.find((one) => one.id === place));
  useEffect(() => {
    document.title = shown ? `${shown} · KAI lab` : "KAI lab";
  }, [shown]);
  const become = (next) => {
    if (asked) history.replaceState(null, "", location.pathname);
    setAsked(null);
    setUser(next);
    setThread(null);
    if (place === HOME) act(next, { act: "home" });
  };
  if (!picture) {
    return refused ? <Nobody name={user} become={become} /> : <p className="waiting">Connecting…</p>;
  }

  const channel = picture.channels.find((one) => one.id === place) ?? picture.channels[0];
  const go = (next) => {
    setPlace(next);
    setThread(null);
    setMenu(false);
    if (next === HOME) act(user, { act: "home" });
  };
  return (
    <Here.Provider value={here}>
      <div className={menu ? "frame menu-open" : "frame"}>
        <Sidebar {...{ place, go, become, user, theme, setTheme, close: () => setMenu(false) }} />
        <main>
          {!up && <p className="banner">The workspace does not answer. Trying again…</p>}
          {place === HOME ? (
            <Home openMenu={() => setMenu(true)} />
          ) : (
            <Channel key={channel.id} channel={channel} openThread={setThread} openMenu={() => setMenu(true)} />
          )}
        </main>
        {thread && place !== HOME && <Thread channel={channel} ts={thread} close={() => setThread(null)} />}
        <Modals />
        <div className="toasts" role="status" aria-live="polite">
          {toasts.map((one) => (
            <p key={one.id}>{one.text}</p>
          ))}
        </div>
      </div>
    </Here.Provider>
  );
}

/** Somebody wrote a name into the address that nobody has. */
function Nobody({ name, become }) {
  return (
    <p className="waiting">
      Nobody here is called {name}.{" "}
      <button className="element" onClick={() => become("alice")}>
        Go on as Alice
      </button>
    </p>
  );
}

const nameOf = (channel) => channel && (channel.kind === "im" ? "KAI" : `#${channel.name}`);

function messageOf(picture, channel, ts) {
  return picture.channels.find((one) => one.id === channel)?.messages.find((one) => one.ts === ts);
}
