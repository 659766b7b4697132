"""Creme's own eyes, run by its Python: Django's checks, every row as an instance of its model, and what it points at."""

import sys
from collections.abc import Iterator
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402 - its models exist only now
from django.contrib.contenttypes.fields import GenericForeignKey  # noqa: E402 - only from here on
from django.core import checks  # noqa: E402 - only from here on


def main() -> None:
    """One complaint a line, then how many rows were read."""
    models = [
        one for one in apps.get_models(include_auto_created=True) if one._meta.managed and not one._meta.proxy
    ]
    rows = {model: list(model._base_manager.all()) for model in models}
    for problem in checks.run_checks(databases=["default"]):
        sys.stdout.write(f"! {problem.id} {problem.obj}\n")
    for model, found in rows.items():
        for complaint in sorted({*_nowhere(model, found, rows), *_unreal(model, found)}):
            sys.stdout.write(f"! {model._meta.label} {complaint}\n")
    sys.stdout.write(f"read {sum(map(len, rows.values()))}\n")


def _nowhere(model: Any, found: list[Any], rows: dict[Any, list[Any]]) -> Iterator[str]:
    """Instances whose relation leads to no instance."""
    for field in model._meta.concrete_fields:
        if field.many_to_one or field.one_to_one:
            there = {
                getattr(one, field.target_field.attname)
                for one in rows.get(field.related_model._meta.concrete_model, [])
            }
            for one in found:
                value = getattr(one, field.attname)
                if value is not None and value not in there:
                    yield f"{one.pk}: {field.name} leads nowhere"
    for field in model._meta.private_fields:
        for one in found if isinstance(field, GenericForeignKey) else ():
            if getattr(one, field.fk_field) and getattr(one, field.name) is None:
                yield f"{one.pk}: {field.name} leads nowhere"


def _unreal(model: Any, found: list[Any]) -> Iterator[str]:
    """Entities that are in the table of all entities and not in that of their kind."""
    if model._meta.label == "creme_core.CremeEntity":
        for one in found:
            try:
                one.get_real_entity()
            except Exception as error:  # noqa: BLE001 - whatever the application says
                yield f"{one.pk}: {type(error).__name__}"


main()
