const COLOURS = 7;

/** The initials of somebody on a colour of their own; the app has its sign. */
export function Avatar({ person, size = "" }) {
  if (!person) return <span className={`avatar ${size}`} aria-hidden="true" />;
  if (person.bot) {
    return (
      <span className={`avatar app ${size}`} aria-hidden="true">
        <svg viewBox="0 0 40 40">
          <path d="M9 21l6 6 10-12M19 27l2 2 11-13" />
        </svg>
      </span>
    );
  }
  const colour = [...person.id].reduce((sum, sign) => (sum * 31 + sign.charCodeAt(0)) % 1009, 0) % COLOURS;
  const initials = person.full
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => word[0])
    .join("");
  return (
    <span className={`avatar colour-${colour} ${size}`} aria-hidden="true">
      {initials}
    </span>
  );
}
