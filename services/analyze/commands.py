"""``kanhu models list | install | verify``: which detectors there are, which are installed, and whether they are sound."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from services.analyze.activation import models_directory
from services.analyze.given_pictures import read_pictures
from services.analyze.installed import install, is_present, read_file, verify
from services.analyze.parity import Verdict
from services.analyze.registry import ModelEntry, Registry, entry_of, load_registry
from services.analyze.trial import Trial, describe_model, try_model
from services.backbone.settings_file import for_data_directory, load_settings
from services.contracts.errors import Rejected

_DONE, _FINDINGS = 0, 1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the word ``models``."""
    parser = subparsers.add_parser("models", help="list, install or verify detector models")
    words = parser.add_subparsers(title="words", metavar="WORD", required=True)
    listing = words.add_parser("list", help="every model the registry knows, and whether it is installed")
    _place(listing, required=False)
    listing.set_defaults(run=_list)
    installing = words.add_parser(
        "install", help="verify a model file and put it in place; downloads the official release without --from"
    )
    installing.add_argument("name", metavar="NAME", help="a name that `kanhu models list` shows")
    installing.add_argument("--from", dest="source", type=Path, metavar="FILE", help="a file instead of a download")
    installing.add_argument(
        "--as-published", action="store_true", help="use a detector without fitting it to the cameras (slower)"
    )
    installing.add_argument(
        "--pictures", type=Path, metavar="PATH", help="measure on these besides: a picture, a video or a folder of them"
    )
    _place(installing, required=True)
    installing.set_defaults(run=_install)
    verifying = words.add_parser("verify", help="check installed models against the registry; exit 1 if one is broken")
    verifying.add_argument("name", nargs="?", metavar="NAME", help="one model; default: all that are installed")
    _place(verifying, required=True)
    verifying.set_defaults(run=_verify)


def _place(parser: argparse.ArgumentParser, *, required: bool) -> None:
    where = parser.add_mutually_exclusive_group(required=required)
    where.add_argument("--data", type=Path, metavar="DIR", help="directory of a box")
    where.add_argument("--config", type=Path, metavar="FILE", help="settings of a distributed installation (YAML)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _list(arguments: argparse.Namespace) -> int:
    models_dir = _models_dir(arguments)
    for entry in load_registry(models_dir).values():
        state, problem = verify(entry, models_dir)
        _say(arguments, _facts(entry) | {"state": state, "problem": problem}, _line)
    return _DONE


def _install(arguments: argparse.Namespace) -> int:
    models_dir = _models_dir(arguments)
    if models_dir is None:
        raise Rejected("FILE names no directory for models; set analyze.models in it")
    entry = _known(load_registry(models_dir), arguments, models_dir)
    trials: list[Trial] = []
    installed = install(
        entry, models_dir, source=arguments.source, now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        pictures=read_pictures(arguments.pictures) if arguments.pictures is not None else (),
        as_published=arguments.as_published, trial=lambda body, entry: trials.append(try_model(body, entry)),
    )  # fmt: skip
    facts = _facts(entry) | {
        "sha256": installed.sha256,
        "state": "installed",
        "path": str(models_dir / f"{entry.name}.onnx"),
        "run_ms": trials[0].run_ms,
        "surgery": installed.verdict.facts() if installed.verdict is not None else None,
    }
    _say(arguments, facts, lambda facts: _installed_lines(facts, installed.verdict))
    return _DONE


def _known(registry: Registry, arguments: argparse.Namespace, models_dir: Path) -> ModelEntry:
    """The entry; for an unknown name with a file ``Rejected`` says which entry the file would need."""
    if arguments.name in registry or arguments.source is None:
        return entry_of(registry, arguments.name)
    template = describe_model(read_file(arguments.source), arguments.name)
    raise Rejected(
        f"no model is called {arguments.name!r}; known are {', '.join(sorted(registry))}. A file of your own needs only an "
        f"entry: complete this, add it to {models_dir / 'registry.yaml'}, and run the command again\n\n{template}"
    )


def _installed_lines(facts: dict[str, object], verdict: Verdict | None) -> str:
    lines = [f"installed {facts['name']} ({facts['licence']}, SHA-256 {facts['sha256']}) at {facts['path']}"]
    lines.append(f"  activation rests on {facts['assessment']}; a trial run took {facts['run_ms']} ms a picture")
    if verdict is not None and verdict.unrecognised is not None:
        lines.append(f"  used as published: {verdict.unrecognised}")
    elif verdict is not None:
        lines += [f"  fitted to the cameras: {done}" for done in verdict.done]
        lines += [f"  left as it was: {left}" for left in verdict.left]
        lines += [f"  boxes stay where they were: {parity}" for parity in verdict.parities]
    return "\n".join(lines)


def _verify(arguments: argparse.Namespace) -> int:
    models_dir = _models_dir(arguments)
    registry = load_registry(models_dir)
    chosen: Iterable[ModelEntry] = registry.values()
    if arguments.name is not None:
        chosen = [entry_of(registry, arguments.name)]
    found = _DONE
    for entry in chosen:
        if arguments.name is None and not is_present(entry, models_dir):
            continue
        state, problem = verify(entry, models_dir)
        _say(arguments, _facts(entry) | {"state": state, "problem": problem}, _line)
        if state != "sound":
            found = _FINDINGS
    return found


def _models_dir(arguments: argparse.Namespace) -> Path | None:
    if arguments.config is not None:
        return models_directory(load_settings(arguments.config))
    if arguments.data is not None:
        return models_directory(for_data_directory(arguments.data))
    return None


def _facts(entry: ModelEntry) -> dict[str, object]:
    return {
        "name": entry.name, "title": entry.title, "task": entry.task, "use": entry.use, "decoder": entry.decoder,
        "input": [entry.input.width, entry.input.height], "classes": entry.class_count, "used_classes": entry.classes,
        "licence": entry.licence, "source": entry.source, "url": entry.url, "sha256": entry.sha256[0],
        "assessment": entry.assessment, "scope": entry.scope,
    }  # fmt: skip


def _line(facts: dict[str, object]) -> str:
    first = f"{facts['state']!s:<8} {facts['name']!s:<21} {facts['task']!s:<8} {facts['licence']!s:<18}"
    line = f"{first} {facts['scope'] or facts['title']}"
    return f"{line}\n         {facts['problem']}" if facts["problem"] else line


def _say(arguments: argparse.Namespace, facts: dict[str, object], line: Callable[[dict[str, object]], str]) -> None:
    text = (
        json.dumps({k: v for k, v in facts.items() if v is not None}, ensure_ascii=False)
        if arguments.json
        else line(facts)
    )
    sys.stdout.write(text + "\n")
