// The line to the server: what this person sees comes in, what he does goes out.
import { createContext, useContext, useEffect, useState } from "react";

/** The picture as it is now (null until the first one came), and whether the line is up. */
export function useLive(user) {
  const [live, setLive] = useState({ picture: null, up: true });
  useEffect(() => {
    const source = new EventSource(`/page/live?user=${encodeURIComponent(user)}`);
    source.onmessage = (event) => setLive({ picture: JSON.parse(event.data), up: true });
    source.onerror = () => setLive((before) => ({ ...before, up: false }));
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

/** `{picture, me, theme, act(body), tell(text)}`, for whoever needs it. */
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
