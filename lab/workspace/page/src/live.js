// The line to the server: what this person sees comes in, what he does goes out.
import { createContext, useContext, useEffect, useRef, useState } from "react";

/** The picture as it is now (null until the first one came), whether the line is up, and whether it was refused. */
export function useLive(user) {
  const [live, setLive] = useState({ picture: null, up: true, refused: false });
  useEffect(() => {
    setLive((before) => ({ ...before, refused: false }));
    const source = new EventSource(`/page/live?user=${encodeURIComponent(user)}`);
    source.onmessage = (event) => setLive({ picture: JSON.parse(event.data), up: true, refused: false });
    source.onerror = () =>
      setLive((before) => ({ ...before, up: false, refused: source.readyState === EventSource.CLOSED }));
    return () => source.close();
  }, [user]);
  return live;
}

/** One act of a person; the server's answer, or `{error}`. */
export async function act(user, body) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" } };
  try {
    const response = await fetch("/page/do", { ...request, body: JSON.stringify({ user, ...body }) });
    return await response.json();
  } catch {
    return { error: "the workspace does not answer" };
  }
}

/** Which threads were read how far. What was there when the page was opened counts as read. */
export function useRead(picture) {
  const [read, setRead] = useState({});
  const since = useRef(null);
  if (picture && since.current === null) since.current = Math.max(0, ...picture.channels.map(newest));
  const isRead = ({ ts, latest_reply: last }) => Number(last) <= (read[ts] ?? since.current);
  const markRead = ({ ts, latest_reply: last }) => setRead((before) => ({ ...before, [ts]: Number(last) }));
  return { isRead, markRead, read };
}

const newest = (channel) => Number(channel.messages.reduce((last, one) => (one.ts > last ? one.ts : last), "0"));

/** `{picture, me, theme, act(body), tell(text), isRead(message), markRead(message)}`, for whoever needs it. */
export const Here = createContext(null);
export const useHere = () => useContext(Here);

/** Like useState, but remembered by the browser. */
export function useKept(name, initial) {
  const [value, setValue] = useState(() => localStorage.getItem(name) ?? initial);
  const keep = (next) => {
    localStorage.setItem(name, next);
    setValue(next);
  };
  return [value, keep];
}
