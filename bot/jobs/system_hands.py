"""From a request for a teardown to the orders of ``bot.operations``, and back to what our books need."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.approvals import revisions
from bot.approvals.aside import is_aside
from bot.approvals.execution import Planned
from bot.approvals.ground import Ground
from bot.audit import certificate
from bot.backups.ids import backup_id
from bot.backups.vault import OpenedBackup, Vault
from bot.config.types import Target
from bot.errors import BadInput, Broken, CannotProve, NotFound, Stale, TargetDown
from bot.model.backups import SealedBackup
from bot.model.doors import Answer
from bot.model.jobs import Backup, Job
from bot.model.plans import Plan, Told
from bot.model.remains import Remains
from bot.model.requests import Operation, Request, State
from bot.operations import bring_back, teardown, timing
from bot.operations.bring_back import BringBackOrder
from bot.operations.clearing import MOST, Leftover, leftovers, parts_in, people, roles, to_data
from bot.operations.gate import Gate
from bot.operations.purge import PurgeOrder
from bot.operations.set_aside import TeardownOrder
from bot.operations.teardown import Host
from bot.operations.uninstall import UninstallOrder
from bot.store.unit_of_work import Store
from bot.targets import kind_of
from bot.targets.remains import expanded, people_there, roles_there
from bot.targets.remains_kinds import outermost
from bot.targets.single import is_folder
from bot.targets.system import System


@dataclass(frozen=True)
class SystemHands:
    """Everything that touches whole systems on behalf of a request.

    ``open_system`` makes the parts from the configuration, or those that an earlier teardown has left;
    ``sign_key`` signs certificates, which lie in
    ``certificates``.
    """

    store: Store
    ground: Ground
    vault: Vault
    host: Host
    open_system: Callable[[Target, Mapping[str, Target], Sequence[Leftover]], System]
    sign_key: bytes
    certificates: Path
    clock: Callable[[], datetime]

    def plan(self, request: Request) -> Planned:
        """What tearing the system down would mean, read-only.

        Raises:
            Refused: it must not be touched, or not from here.
            Broken: the machine does not answer.
        """
        spec = self._spec(request)
        parts = self._left_over(request) if request.undoes is not None else ()
        system = self._system(spec, parts)
        made, open_files = teardown.plan(spec, system, self.host, self.name(request), parts)
        return Planned(request.target, None, made.to_data(), 0, open_files, "")

    def plan_restore(self, opened: OpenedBackup, sha256: str, target: str, into: str) -> Planned:
        """What bringing a whole system back would mean, read-only: as ``target``, or into a folder.

        Raises:
            Refused: it cannot be brought back there, or not from here.
            Broken: the machine does not answer.
        """
        spec, origin = self._target(target), str(opened.manifest.extra["target"])
        parts = parts_in(opened.manifest.extra)
        if target != origin and parts:
            raise BadInput("clearing.elsewhere", target=origin)
        if target != origin:
            left = self.ground.config.targets.get(origin)
            bring_back.require_kind(spec, opened.manifest, kind_of(left.address) if left else "")
        if not into:
            self._require_gone(target, opened.manifest.backup_id)
        system = self._system(spec, parts)
        backup = opened.manifest.backup_id
        with self.store.read() as work:
            booked = work.backups.get(backup)
        # A backup that our books know by its name and that is another one has measured nothing.
        made = bring_back.plan(spec, system, self.host, opened, sha256, into)
        if made.system and booked is not None and booked.sha256 == sha256 and booked.test_restore_ms > 0:
            made = replace(made, system=timing.measured(made.system, booked.test_restore_ms / 1000))
        return Planned(target, None, made.to_data(), made.rows, None, "", backup)

    def bring_back(self, job: Job, request: Request, gate: Gate) -> Told | None:
        """A permitted restore of a whole system; raises as ``bring_back.run``."""
        order = self._restore_order(job, request)
        if not order.into:
            self._require_gone(request.target, order.plan.backup or "")
        return bring_back.run(order, self.system(request), self.vault, gate)

    def go_on_bringing_back(self, job: Job, request: Request) -> Told | None:
        """What a crash after the point of no return left to do."""
        order = self._restore_order(job, request)
        return bring_back.finish(order, self.system(request), self.vault, lambda _: nullcontext())

    def clear_restore(self, job: Job, request: Request) -> None:
        """Remove what an attempt left unpacked."""
        bring_back.clear(self._restore_order(job, request), self.system(request))

    def _restore_order(self, job: Job, request: Request) -> BringBackOrder:
        plan, _ = self._approved(job, request)
        return BringBackOrder(plan, self._spec(request), self.host, bring_back.name_of(request.id))

    def _require_gone(self, target: str, backup: str) -> None:
        """While what a backup holds is set aside, *Put it back* is the way; a copy in its place would bar it.

        Raises:
            Stale: it is set aside.
        """
        with self.store.read() as work:
            for one in work.requests.in_states([State.SET_ASIDE, State.HELD]):
                ours = one.undoes is None or one.backup_id == backup
                here = one.operation is Operation.TEARDOWN and one.target == target and ours
                if here and is_aside(work, one):
                    raise Stale("restore.put-back-instead", target=target, number=one.number or 0)

    def name(self, request: Request) -> str:
        """What the parts call this teardown."""
        return teardown.name_of(request.id)

    def system(self, request: Request) -> System:
        """The parts of the request's target, or those that an earlier teardown of it has left."""
        with self.store.read() as work:
            revision = work.requests.revision(request.id, request.revision)
        return self._system(self._spec(request), parts_in(revision.plan.get("system") if revision else None))

    def _system(self, spec: Target, parts: Sequence[Leftover]) -> System:
        return self.open_system(spec, self.ground.config.targets, parts)

    def _left_over(self, request: Request) -> tuple[Leftover, ...]:
        """What the teardown has left that this request is to clear away, as it is there now.

        Raises:
            CannotProve: nothing of it is there, it is too much, or nothing is looked for any more.
        """
        self._require_away(request)
        with self.store.read() as work:
            source = work.requests.by_number(request.undoes or 0)
            job = work.jobs.latest(source.id) if source else None
        told: dict[str, str | int] = {"number": request.undoes or 0, "target": request.target}
        spec = self._spec(request)
        residue = self._system(spec, ()).residue
        if residue is None or job is None:
            raise CannotProve("clearing.not-looked-for", **told)
        remains = Remains.from_data(job.facts.get("remains") or {})
        paths = outermost(expanded(residue, remains.paths))
        there = leftovers((path, folder) for path in paths if (folder := is_folder(path)) is not None)
        there += roles(roles_there(residue, remains.roles), kind_of(spec.address))
        there += people(people_there(residue, remains.people, [one.path for one in there if not one.role]))
        if not there:
            raise CannotProve("clearing.nothing", **told)
        if len(there) > MOST:
            raise CannotProve("clearing.too-many", **told, n=len(there), limit=MOST)
        return there

    def _require_allowed(self, request: Request, plan: Plan) -> None:
        """Return when no account is to go, or the configuration still lets a request clear such ones away.

        Raises:
            CannotProve: it does not.
        """
        spec = self._spec(request)
        parts, said = [one for one in parts_in(plan.system) if one.role], spec.residue
        if any(not one.kind for one in parts) and (said is None or said.accounts != "clear"):
            raise CannotProve("accounts.not-allowed", target=request.target)
        if any(one.kind for one in parts) and (said is None or said.machine_accounts != "clear"):
            raise CannotProve("machine.not-allowed", target=request.target)

    def _require_away(self, request: Request) -> None:
        """Return when the system itself is gone: what it has left may be in use again.

        Raises:
            CannotProve: a part of it is there, or a service of it runs.
            TargetDown: where a part lies cannot be asked.
        """
        whole = self._system(self._spec(request), ())
        back = [one.name for one in whole.holdings if one.whereabouts(self.name(request)) != "gone"]
        for service in whole.services:
            # Who kept it running may be gone with it.
            with suppress(TargetDown):
                back += [service.name] if service.look().up else []
        if back:
            raise CannotProve("clearing.is-back", target=request.target, name=back[0], n=len(back))

    def order(self, job: Job, request: Request) -> TeardownOrder:
        """The permitted teardown.

        Raises:
            NotOurs: the plan is not the one whose digest was voted on.
        """
        plan, digest = self._approved(job, request)
        if request.undoes is not None:
            self._require_away(request)
            self._require_allowed(request, plan)
        return TeardownOrder(
            plan=plan,
            spec=self._spec(request),
            host=self.host,
            operation=self.name(request),
            new_backup=lambda: backup_id(self.clock(), self.ground.entropy(8)),
            drop_backup=self._drop,
            announce=lambda: self._announce(job, request, plan),
            facts={
                "request": request.number or 0,
                "job": job.id,
                "plan": digest,
                **({"parts": to_data(parts)} if (parts := parts_in(plan.system)) else {}),
            },
        )

    def _approved(self, job: Job, request: Request) -> tuple[Plan, str]:
        """The plan that the job carries out, and the digest that was voted on.

        Raises:
            NotOurs: it is not the one whose digest was voted on.
        """
        with self.store.read() as work:
            revision, permit = work.requests.revision(request.id, job.revision), work.permits.of_job(job.id)
        if revision is None:
            raise Broken("job.broken", code="revision")
        return revisions.approved(revision, permit), revision.digest

    def purge_order(self, job: Job, request: Request, first: Job, system: System) -> PurgeOrder:
        """The permitted purge of what ``first`` set aside.

        Raises:
            Broken: it left no sealed backup.
            NotOurs: the plan is not the one whose digest was voted on.
            CannotProve: the system's own uninstall was approved, and is declared otherwise now.
        """
        sealed = first.facts.get("sealed")
        if sealed is None:
            raise Broken("job.broken", code="sealed")
        plan, _ = self._approved(job, request)
        self._require_allowed(request, plan)
        return PurgeOrder(
            operation=self.name(request),
            backup_id=sealed["id"],
            sha256=sealed["sha256"],
            certify=lambda facts: self._certify(job, request, sealed, facts),
            own=self._own(job, request, first, system),
            successors=teardown.successors_of(plan),
            remains=teardown.remains_of(plan),
        )

    def _own(self, job: Job, request: Request, first: Job, system: System) -> UninstallOrder | None:
        """The system's own uninstall, if it was approved."""
        plan, _ = self._approved(job, request)
        if teardown.method_of(plan) != teardown.BUILTIN:
            return None
        approved = (plan.system or {})["builtin"]
        if system.builtin is None or system.builtin.mark != approved["mark"]:
            raise CannotProve("builtin.changed", target=request.target)
        sealed = first.facts["sealed"]
        return UninstallOrder(
            operation=self.name(request),
            job=job.id,
            backup_id=sealed["id"],
            sha256=sealed["sha256"],
            builtin=system.builtin,
            seal=approved.get("seal"),
        )

    def book(self, request: Request, sealed: Mapping[str, Any], milliseconds: int) -> Backup:
        """The backup as our books have it: kept from the end of the grace period on."""
        now = self.clock()
        config = self.ground.config
        with self.vault.open(sealed["id"], sealed["sha256"]) as opened:
            whole = SealedBackup(sealed["id"], sealed["sha256"], sealed["size"], "", opened.manifest)
            reference = self.vault.reference(whole)
        return Backup(
            id=sealed["id"],
            request_id=request.id,
            target=request.target,
            record=None,
            sha256=sealed["sha256"],
            size=sealed["size"],
            rows=0,
            state="kept",
            reference=reference,
            created_at=now,
            keep_until=now + config.targets[request.target].grace + config.backups.keep,
            test_restore_ms=milliseconds,
        )

    def _spec(self, request: Request) -> Target:
        return self._target(request.target)

    def _target(self, name: str) -> Target:
        spec = self.ground.config.targets.get(name)
        if spec is None:
            known = ", ".join(sorted(self.ground.config.targets))
            raise NotFound("filing.unknown-target", target=name, known=known)
        return spec

    def _drop(self, backup: str) -> None:
        try:
            self.vault.shred(backup)
        except NotFound:
            return

    def _announce(self, job: Job, request: Request, plan: Plan) -> None:
        """Tell the people and channels that the target names, each once."""
        now = self.clock()
        params: dict[str, str | int] = {"target": request.target, "number": request.number or 0}
        with self.store.transact() as work:
            for who in (plan.system or {}).get("tell", ()):
                once = f"announce:{job.id}:{who}"
                if who.startswith(("U", "W")):
                    self.ground.tell(work, who, None, Answer("note.announce", params), now, once=once)
                elif not work.outbox.known(f"note:{once}"):
                    work.erasable.put(
                        f"note:{once}", "answer", {"key": "note.announce", "params": params}, b"", now
                    )
                    work.outbox.want(f"note:{once}", "note", who, now)

    def _certify(
        self, job: Job, request: Request, sealed: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> str:
        """Sign and keep the certificate; the name of its file."""
        with self.store.read() as work:
            permit = work.permits.of_job(job.id)
            votes = work.votes.of(request.id, request.revision)
            booked = work.backups.get(sealed["id"])
        raw = certificate.issue(
            {
                "request": request.number or 0,
                "target": request.target,
                "requester": request.requester,
                "approvals": [[vote.user, str(vote.choice), list(vote.roles)] for vote in votes],
                "plan": permit.digest if permit else "",
                "backup": sealed["id"],
                "sha256": sealed["sha256"],
                "recoverable_until": booked.keep_until.isoformat() if booked else "",
                "purged_at": self.clock().isoformat(),
                **facts,
            },
            self.sign_key,
        )
        self.certificates.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.certificates / f"request-{request.number or 0}.json"
        path.write_bytes(raw)
        return path.name
