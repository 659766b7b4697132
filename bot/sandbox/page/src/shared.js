/** Keeping what has not changed, so that only what has is drawn again. */
import { useRef } from "react";

/** `next`, with every part that equals its counterpart in `before` replaced by that very part. */
export function share(before, next) {
  if (Object.is(before, next)) return before;
  if (before === null || next === null || typeof before !== "object" || typeof next !== "object") return next;
  if (Array.isArray(before) !== Array.isArray(next)) return next;
  const keys = Object.keys(next);
  const made = Array.isArray(next) ? [] : {};
  let same = keys.length === Object.keys(before).length;
  for (const key of keys) {
    made[key] = share(before[key], next[key]);
    same &&= key in before && Object.is(made[key], before[key]);
  }
  return same ? before : made;
}

/** The same object as at the last drawing while it is equal to it. */
export function useShared(value) {
  const kept = useRef(value);
  kept.current = share(kept.current, value);
  return kept.current;
}
