"""A person's hand: type, tap, fill in, look. Synchronous, and safe from any thread.

What a person could not do in Slack (a button that is not there, a channel one is not in) raises
:class:`bot.errors.Refused`. Confirmation dialogs are always confirmed.
"""

import copy
from collections.abc import Mapping
from typing import Any

from bot.errors import NotAllowed, NotFound
from bot.sandbox.slack import forms, methods_files, methods_rooms, methods_views, payloads, responses
from bot.sandbox.slack.core import Core, Delivery, Happening, View
from bot.sandbox.slack.limits import check_view
from bot.sandbox.slack.screen import Answer, Sight, look, ordered
from bot.sandbox.slack.tree import elements_of
from bot.sandbox.slack.workspace import ApiError, Json, Message

#: Longer than any ack may take, so that waiting for a delivery always ends.
PATIENCE = 30.0


class Person:
    """One account at its screen.

    Args:
        core: the shared state.
        user: the user id.

    Raises:
        NotFound: no such account.
    """

    def __init__(self, core: Core, user: str) -> None:
        if user not in core.workspace.users:
            raise NotFound("sandbox.no_such_person", person=user)
        self._core = core
        self.id = user

    def command(self, name: str, text: str = "", *, channel: str) -> Answer:
        """Type a slash command and wait for the ack; its text, if any, is shown privately."""
        name = name if name.startswith("/") else f"/{name}"
        with self._core.changed:
            self._must_see(channel)
            if self._core.commands is not None and name not in self._core.commands:
                raise NotFound("sandbox.no_such_command", command=name)
            payload = payloads.command(self._core, self.id, channel, name, text)
        delivery = self._send("slash_commands", name, payload)
        answer = self._wait(delivery, about=name)
        if answer.payload:
            with self._core.changed:
                responses.answer_in(self._core, self.id, channel, answer.payload)
        return answer

    def react(self, channel: str, ts: str, name: str) -> None:
        """Put a reaction on a message; does not wait for the app."""
        self._reaction(methods_rooms.react, channel, ts, name)

    def unreact(self, channel: str, ts: str, name: str) -> None:
        """Take one's reaction away; does not wait for the app."""
        self._reaction(methods_rooms.unreact, channel, ts, name)

    def say(self, channel: str, text: str, thread_ts: str = "") -> Message:
        """Write an ordinary message. The app has no ear for those."""
        with self._core.changed:
            self._must_see(channel)
            message = Message(channel, self._core.stamp(), self.id, text=text, thread_ts=thread_ts)
            self._core.workspace.put(message)
            self._core.tell(Happening("posted", channel, self.id, message=message))
            return message

    def click(self, channel: str, ts: str, action_id: str, value: str | None = None) -> Answer:
        """Click a button (or choose an option) in a message; ``value`` picks among several."""
        with self._core.changed:
            self._must_see(channel)
            message = self._message(channel, ts)
        return self._click(message, action_id, value)

    def click_private(self, message: Message, action_id: str, value: str | None = None) -> Answer:
        """Click in a message that only this person sees."""
        with self._core.changed:
            found = [one for one in self._core.workspace.ephemerals if one.ts == message.ts]
            if not found or found[0].only_for != self.id:
                raise NotFound("sandbox.no_such_message")
        return self._click(found[0], action_id, value)

    def click_view(self, view_id: str, action_id: str, value: Any = None) -> Answer:
        """Click or choose in a form or on the Home tab."""
        with self._core.changed:
            view = self._view(view_id)
            action = _action(view.body["blocks"], action_id, value)
            self._remember(view, action)
            payload = payloads.view_click(self._core, view, action)
        return self._wait(self._send("interactive", "block_actions", payload), about=action_id)

    def options(self, view_id: str, action_id: str, typed: str = "") -> list[Json]:
        """What an external select offers for what was typed."""
        with self._core.changed:
            view = self._view(view_id)
            block = next(
                (b["block_id"] for b, e in forms.inputs(view.body) if e["action_id"] == action_id), ""
            )
            payload = payloads.suggestion(self._core, view, block, action_id, typed)
        answer = self._wait(self._send("interactive", "block_suggestion", payload), about=action_id)
        return list(answer.payload.get("options", []))

    def submit(self, view_id: str, values: Mapping[str, Any] | None = None) -> Answer:
        """Fill in a form by block or action id, and submit it.

        ``errors`` are the complaints by block id: Slack's own (nothing was sent, ``acked`` is false) or the
        app's. Without complaints the form is closed or replaced, as the app wished.
        """
        with self._core.changed:
            view = self._view(view_id)
            state, complaints = forms.fill(view.body, values or {})
            if complaints:
                return Answer(acked=False, errors=complaints)
            view.state = state
            payload = payloads.submission(self._core, view, state)
        answer = self._wait(self._send("interactive", "view_submission", payload), about=view.title)
        if not answer.acked:
            return answer
        if answer.payload.get("response_action") == "errors":
            return Answer(
                True, latency=answer.latency, payload=answer.payload, errors=answer.payload["errors"]
            )
        with self._core.changed:
            try:
                self._after_submit(view, answer.payload)
            except ApiError as refusal:
                self._core.violations.append(f"answer to view_submission: {refusal.code} {refusal.more}")
                self._core.notice(self.id, "invalid_view", view.title)
        return answer

    def upload(self, name: str, content: bytes) -> Json:
        """Choose a file for a form: the value of its field."""
        with self._core.changed:
            return methods_files.put(self._core, self.id, name, content)

    def close(self, view_id: str) -> Answer | None:
        """Close a form; the app hears of it only if the form asked for that."""
        with self._core.changed:
            view = self._view(view_id)
            payload = payloads.closing(self._core, view, cleared=False)
            self._drop(view)
        if not view.body.get("notify_on_close"):
            return None
        return self._wait(self._send("interactive", "view_closed", payload), about=view.title)

    def shortcut(self, callback_id: str, channel: str = "", ts: str = "") -> Answer:
        """Use a shortcut: on a message when ``channel`` and ``ts`` are given, else from the global menu."""
        with self._core.changed:
            if channel:
                self._must_see(channel)
                message = self._message(channel, ts)
                payload = payloads.message_shortcut(self._core, self.id, message, callback_id)
            else:
                payload = payloads.global_shortcut(self._core, self.id, callback_id)
        return self._wait(self._send("interactive", payload["type"], payload), about=callback_id)

    def open_home(self) -> None:
        """Open the app's Home tab; does not wait for the app."""
        with self._core.changed:
            room = self._core.workspace.direct(self.id)
            event: Json = {
                "type": "app_home_opened",
                "user": self.id,
                "channel": room.id,
                "tab": "home",
                "event_ts": self._core.stamp(),
            }
            home = self._core.homes.get(self.id)
            if home is not None:
                event["view"] = copy.deepcopy(home.body)
            self._core.event(event)

    def sees(self) -> Sight:
        """Everything on this person's screen right now."""
        with self._core.changed:
            return look(self._core, self.id)

    def private(self) -> list[Message]:
        """What the app told this person alone, by ephemeral or direct message, oldest first."""
        sight = self.sees()
        return ordered([*sight.ephemerals, *(one for one in sight.direct if one.user != self.id)])

    def wait_for_private(self, text: str = "", *, newer_than: str = "", timeout: float = 5.0) -> Message:
        """The newest private message that shows ``text``; TimeoutError if none comes."""

        def told() -> list[Message]:
            lately = (one for one in self.private() if one.ts > newer_than)
            return [one for one in lately if text in responses.shown_text(one)]

        found = self._core.wait_until(told, timeout)
        if not found:
            said = [responses.shown_text(one) for one in self.private()[-3:]]
            raise TimeoutError(f"{self.id} was not told {text!r}; lately: {said}")
        return found[-1]

    def wait_for_view(self, title: str = "", *, timeout: float = 5.0) -> View:
        """The form on top whose title holds ``title``; TimeoutError if none opens."""

        def opened() -> list[View]:
            return [view for view in self.sees().views[-1:] if title in view.title]

        found = self._core.wait_until(opened, timeout)
        if not found:
            raise TimeoutError(f"no form {title!r} opened for {self.id}")
        return found[0]

    def _click(self, message: Message, action_id: str, value: str | None) -> Answer:
        with self._core.changed:
            action = _action(message.blocks, action_id, value)
            payload = payloads.message_click(self._core, self.id, message, action)
        return self._wait(self._send("interactive", "block_actions", payload), about=action_id)

    def _reaction(self, change: Any, channel: str, ts: str, name: str) -> None:
        with self._core.changed:
            self._must_see(channel)
            message = self._message(channel, ts)
            try:
                change(self._core, self.id, message, name.strip(":"))
            except ApiError as refusal:
                raise NotAllowed("sandbox.slack_refuses", code=refusal.code) from None

    def _send(self, kind: str, name: str, payload: Json) -> Delivery:
        return self._core.send(kind, name, payloads.frozen(payload))

    def _wait(self, delivery: Delivery, about: str) -> Answer:
        with self._core.changed:
            self._core.changed.wait_for(lambda: delivery.settled, PATIENCE)
            if not delivery.acked:
                self._core.notice(self.id, delivery.error, about)
            return Answer(delivery.acked, delivery.error, delivery.latency, delivery.answer)

    def _must_see(self, channel: str) -> None:
        account = self._core.workspace.users[self.id]
        room = self._core.workspace.channels.get(channel)
        if room is None or account.deleted or self.id not in room.members:
            raise NotAllowed("sandbox.not_in_channel", person=account.name, channel=channel)

    def _message(self, channel: str, ts: str) -> Message:
        try:
            return self._core.workspace.message(channel, ts)
        except ApiError:
            raise NotFound("sandbox.no_such_message") from None

    def _view(self, view_id: str) -> View:
        home = self._core.homes.get(self.id)
        for view in (*self._core.views.get(self.id, []), home):
            if view is not None and view.id == view_id:
                return view
        raise NotFound("sandbox.no_such_form")

    def _remember(self, view: View, action: Json) -> None:
        held = {key: value for key, value in action.items() if key.startswith("selected_") or key == "type"}
        if len(held) > 1:
            view.state.setdefault(action["block_id"], {})[action["action_id"]] = held

    def _drop(self, view: View) -> None:
        stack = self._core.views.get(self.id, [])
        if view in stack:
            stack.remove(view)
        self._core.tell(Happening("view_closed", user=self.id, view=view))

    def _after_submit(self, view: View, payload: Json) -> None:
        action = payload.get("response_action")
        if action in ("update", "push"):
            check_view(payload["view"])
        if action == "update":
            methods_views.replace(self._core, view, payload["view"])
        elif action == "push":
            methods_views.show(self._core, self.id, payload["view"])
        elif action == "clear":
            self._core.views[self.id] = []
            self._core.tell(Happening("view_closed", user=self.id, view=view))
        else:
            self._drop(view)


def _action(blocks: list[Json], action_id: str, value: Any) -> Json:
    """The action of a click, from the element in the blocks."""
    seen = False
    for block in blocks:
        for element in elements_of(block):
            if element.get("action_id") != action_id:
                continue
            seen = True
            basic = {"type": element["type"], "action_id": action_id, "block_id": block["block_id"]}
            if element["type"] != "button":
                return {**basic, **forms.chosen(element, value)}
            if value is None or element.get("value") == value:
                kept: Json = {
                    key: element[key] for key in ("text", "value", "style", "url") if key in element
                }
                return {**basic, **kept}
    raise NotFound("sandbox.no_such_value" if seen else "sandbox.no_such_button", button=action_id)
