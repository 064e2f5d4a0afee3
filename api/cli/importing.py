"""`bihuan import people FILE.xlsx`: the list a school has becomes its directory, whole or not at all.

`bihuan import ledger FILE.xlsx`: the ledger a school has becomes its cases, each row of it or a reason why not.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation
from engine.errors import FolderError, Text

if TYPE_CHECKING:
    from api.bootstrap import Runtime
    from api.importing import ListFaulty, Meant, Plan
    from api.papers.ledger_entries import Entry
    from api.papers.people_list import PeopleList
    from api.passwords import Hashing
    from api.taking_over import TakenOver
    from engine.proof import Finding

TRIES = 5  # a list that others keep overtaking is told to come again
ONLY_MINE = 0o600  # who else reads it has everybody's first password
DEAD_CORNERS_LISTED = 5


@click.group("import")
def import_() -> None:
    """Take lists in."""


@import_.command("people")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option(
    "--new-departments", is_flag=True, help="Make departments that nobody knows, instead of refusing their rows."
)
@click.option(
    "--first-passwords", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.xlsx",
    help="Draw a first password for everyone new and write them to this new file, to hand out and delete.",
)  # fmt: skip
@click.option("--check/--no-check", default=True, help="Look for dead corners afterwards.")
@data_option
@organisation_option
@json_option
def people(
    file: Path, dry_run: bool, new_departments: bool, first_passwords: Path | None, check: bool, data: Path | None,
    organisation: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Take a list of people in: name 姓名, staff number 工号, department 部门, post 岗位, phone 手机, e-mail 邮箱.

    If any row is wrong all mistakes are told, row by row, and nothing is written. Run it again with a newer list: people
    are known again by staff number, an empty cell changes nothing, and nobody missing from the list is deactivated.
    """
    from api.importing import ListFaulty, plan
    from api.papers.people_list import read_people

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        listed = read_people(file)
        try:
            if dry_run:
                today = _today(runtime, here)
                with runtime.database.read(here) as connection:
                    done = plan(connection, here, listed, today, new_departments=new_departments)
            else:
                done = _imported(runtime, here, listed, new_departments=new_departments, out=first_passwords)
        except ListFaulty as faulty:
            _tell_faults(file, faulty, as_json=as_json)
            raise click.exceptions.Exit(1) from faulty
        open_ = _dead_corners(runtime, here) if check and not dry_run else None
    if as_json:
        print_json(_in_json(done, open_, dry_run=dry_run, first_passwords=first_passwords))
    else:
        _tell(done, dry_run=dry_run)
        if first_passwords is not None and not dry_run and done.added:
            click.echo(
                f"首次密码 · First passwords: {first_passwords}。请逐一交给本人，交完即删除 · hand them out, then delete it"
            )
        if open_ is not None:
            _tell_dead_corners(open_)


@import_.command("ledger")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", metavar="PERSON", help="Who takes it over and answers for it: somebody of the safety office.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do, and every doubt with its row.")
@data_option
@organisation_option
@json_option
def ledger(
    file: Path, by: str | None, dry_run: bool, data: Path | None, organisation: str | None, as_json: bool
) -> None:  # fmt: skip
    """Take an older ledger over (隐患排查整改台账), with whatever headings, merged cells and spellings it has.

    What it calls fixed becomes a record of its year, *imported, not witnessed* (补录), which another person files; what is open
    becomes a hazard that is reported now. Numbers, dates and every word stay as they were; nothing is back-dated. Whatever is
    not understood is told with its row, and no row is lost. Run it again whenever you like: what is there already stays.
    """
    import hashlib

    from api.papers.ledger_list import read_ledger
    from api.taking_over import TakenOver, carry_out, plan, whoever
    from engine.store import people as directory

    if not dry_run and by is None:
        raise click.UsageError("缺少选项 · Missing option '--by'; --dry-run needs none.")
    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        listed = read_ledger(file)
        today = _today(runtime, here)
        with runtime.database.read(here) as connection:
            actor = None if by is None else whoever(connection, here, by, today)
            planned = plan(connection, here, listed, today)
            zone = directory.time_zone(connection, here)
        done = TakenOver(planned)
        if not dry_run and actor is not None:
            about = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            done = carry_out(runtime.engine, actor, planned, zone, about, _groups)
    if as_json:
        print_json(_ledger_in_json(file, done, dry_run=dry_run))
    else:
        _tell_ledger(done, dry_run=dry_run)
    if done.refused:
        raise click.exceptions.Exit(1)


def _groups(groups: Any) -> "Iterator[Any]":
    with click.progressbar(groups, label="导入台账 · Ledger", file=sys.stderr) as bar:
        yield from bar


def _today(runtime: "Runtime", here: str) -> Any:
    from engine.store import people as directory

    with runtime.database.read(here) as connection:
        return runtime.clock.now().astimezone(directory.time_zone(connection, here)).date()


def _imported(
    runtime: "Runtime", here: str, listed: "PeopleList", *, new_departments: bool, out: Path | None
) -> "Plan":
    """Does it. Passwords are drawn and hashed before, since hashing three hundred takes longer than a write may."""
    from api.directory import CLI, Editor
    from api.importing import IMPORTING, Overtaken, carry_out, plan
    from engine.errors import Busy

    for _ in range(TRIES):
        editor = Editor(runtime.database, here, CLI, runtime.clock.now(), everywhere=True)
        if out is None:
            return carry_out(editor, listed, new_departments=new_departments)
        with runtime.database.read(here) as connection:
            planned = plan(connection, here, listed, editor.today(connection), new_departments=new_departments)
            names = _department_names(connection, here, planned)
        with suppress(Overtaken), _passwords_for(runtime.hashing, planned, names, out) as hashes:
            return carry_out(editor, listed, new_departments=new_departments, passwords=hashes)
    raise Busy(
        asked=IMPORTING,
        obstacle=Text("名册正被他人不断更改", "others keep changing the directory"),
        remedy=Text("请稍后重试", "Try again in a moment"),
    )


def _department_names(connection: Any, here: str, planned: "Plan") -> dict[str, str]:
    from engine.store import people as directory

    known = (*directory.departments(connection, here), *planned.departments)
    return {department.code: department.name.zh for department in known}


@contextmanager
def _passwords_for(
    hashing: "Hashing", planned: "Plan", names: Mapping[str, str], out: Path
) -> "Iterator[dict[str, str]]":
    """First passwords for everyone new, on paper, as hashes by key. The paper comes first, for a password that nobody can
    read opens nothing; it goes again when the import does not happen.
    """
    from api import passwords
    from api.causes import cause_of
    from api.papers.people_sheets import write_first_passwords

    if not planned.added:
        yield {}
        return
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_MINE)
    except FileExistsError as error:
        raise FolderError(
            Text(
                f"文件 {out} 已存在，不会覆盖。没有写入任何内容；请换一个文件名。",
                f"The file {out} exists and is not overwritten. Nothing was written; choose another name.",
            )
        ) from error
    except OSError as error:
        why = cause_of(error)
        raise FolderError(
            Text(f"无法写入 {out}：{why.zh}。没有写入任何内容。", f"Cannot write {out}: {why.en}. Nothing was written.")
        ) from error
    try:
        lines, hashes = [], {}
        with os.fdopen(handle, "wb") as file:
            with click.progressbar(planned.added, label="首次密码 · First passwords", file=sys.stderr) as bar:
                words = [passwords.drawn() for _ in planned.added]
                hashed = hashing.each_as_drawn(words)
                for each, drawn in zip(bar, words, strict=True):
                    who = each.after
                    hashes[who.person] = next(hashed)
                    department = names.get(who.department or "", "")
                    lines.append((who.name, department, who.staff_number or "", who.person, drawn))
            write_first_passwords(file, lines)
            file.flush()
            os.fsync(file.fileno())
        yield hashes
    except BaseException:
        out.unlink(missing_ok=True)
        raise


# --- telling -------------------------------------------------------------------------------------------------------------


def _tell_faults(file: Path, faulty: "ListFaulty", *, as_json: bool) -> None:
    faults = faulty.faults
    if as_json:
        lines = [{"row": f.row, "column": f.field, "zh": f.text.zh, "en": f.text.en} for f in faults]
        print_json({"file": file, "written": False, "errors": lines})
        return
    for fault in faults:
        click.echo(fault.text.zh, err=True)
    click.echo(
        f"人员表 {file} 有 {len(faults)} 处错误，没有写入任何内容。请改正后重新导入。 / "
        f"The list {file} has {len(faults)} mistakes (--json tells them in English); nothing was written.",
        err=True,
    )


def _tell(done: "Plan", *, dry_run: bool) -> None:
    for made in done.departments:
        click.echo(f"+ 部门 · department {made.code}  {made.name.zh}")
    if dry_run:
        for each in done.meant:
            if line := _line(each):
                click.echo(line)
        for person in done.not_listed:
            click.echo(f"? {person.person}  {person.name}  名单中没有，不作改动 · not in the list, left as he is")
    for notice in done.notices:
        click.echo(f"! {notice.zh} · {notice.en}")
    counts = (len(done.added), len(done.changed), done.unchanged, len(done.not_listed))
    zh = (
        "将新增 {} 人，更改 {} 人，不变 {} 人；名册中另有 {} 人不在名单"
        if dry_run
        else "新增 {} 人，更改 {} 人，不变 {} 人；名册中另有 {} 人不在名单"
    )
    en = "would add {}, change {}, leave {}" if dry_run else "added {}, changed {}, left {}"
    click.echo(f"{zh.format(*counts)} · {en.format(*counts[:3])}; {counts[3]} not in the list")
    if dry_run:
        click.echo("没有写入任何内容 · Nothing was written")


def _line(meant: "Meant") -> str:
    after = meant.after
    roles = "  ".join(
        [*(f"+{g.role} {g.scope}" for g in sorted(meant.given, key=str)), *(f"−{g.role} {g.scope}" for g in sorted(meant.ended, key=str))]
    )  # fmt: skip
    if meant.before is None:
        return f"+ {after.person}  {after.name}  {after.department or '—'}  {after.post}  {roles}".rstrip()
    if not meant.changes:
        return ""
    return f"~ {after.person}  {after.name}  {'、'.join(meant.fields)}  {roles}".rstrip()


def _in_json(
    done: "Plan", open_: "list[Finding] | None", *, dry_run: bool, first_passwords: Path | None
) -> dict[str, Any]:
    def told(meant: "Meant") -> dict[str, Any]:
        return {
            "row": meant.row, "person": meant.after.person, "fields": meant.fields,
            "given": sorted([g.role, g.scope] for g in meant.given),
            "ended": sorted([g.role, g.scope] for g in meant.ended),
        }  # fmt: skip

    return {
        "dry_run": dry_run,
        "written": not dry_run,
        "departments": [{"code": d.code, "name": d.name.to_json()} for d in done.departments],
        "added": [told(each) for each in done.added],
        "changed": [told(each) for each in done.changed],
        "unchanged": done.unchanged,
        "not_listed": [person.person for person in done.not_listed],
        "notices": [notice.to_json() for notice in done.notices],
        "errors": [],
        "first_passwords": str(first_passwords) if first_passwords and not dry_run and done.added else None,
        "dead_corners": None if open_ is None else [f.text.to_json() for f in open_],
    }


def _dead_corners(runtime: "Runtime", here: str) -> "list[Finding]":
    """What leaves a case stuck as things stand: a school that is being filled has some, and they stop no import."""
    from api.checking import DeadCorners

    with runtime.database.read(here) as connection:
        check = DeadCorners(runtime.engine.catalog, here, runtime.clock.now())
        seen = check.look(connection)
    return check.find(seen)


def _tell_dead_corners(found: "list[Finding]") -> None:
    for finding in found[:DEAD_CORNERS_LISTED]:
        click.echo(f"✗ {finding.text.zh} · {finding.text.en}")
    if found:
        click.echo(
            f"还有 {len(found)} 处死角：补上缺少的人员或角色后，用 bihuan check 逐条查看和消除 · "
            f"{len(found)} dead corners as it stands: `bihuan check` says of each how to remove it"
        )
    else:
        click.echo("没有死角 · no dead corner")


# --- telling of a ledger -------------------------------------------------------------------------------------------------


def _tell_ledger(done: "TakenOver", *, dry_run: bool) -> None:
    """Each doubt and each row that is left out on a line of its own, then how many of what."""
    planned = done.plan
    for row in planned.ignored:
        where = f"“{row.sheet}”第 {row.row} 行" if row.row else f"“{row.sheet}”"
        click.echo(f"− {where}{f'“{row.said}”' if row.said else ''}：{row.why.zh} · {row.why.en}")
    for entry, number in planned.changed:
        click.echo(f"~ {_changed(entry, number).zh} · {_changed(entry, number).en}")
    for doubt in planned.doubts:
        click.echo(f"? {doubt.text.zh} · {doubt.text.en}")
    for entry, refusal in done.refused:
        click.echo(f"✗ “{entry.sheet}”第 {entry.row} 行：{refusal.sentence('zh')} · {refusal.sentence('en')}")
    for notice in planned.understood.notices:
        click.echo(f"! {notice.zh} · {notice.en}")
    for told in _sums(done, dry_run=dry_run):
        click.echo(f"{told.zh} · {told.en}")


def _changed(entry: "Entry", number: str) -> Text:
    return Text(
        f"“{entry.sheet}”第 {entry.row} 行已作为 {number} 导入，此后原表有改动：未再导入。请在 {number} 中办理；若是另一项，请改编号后再导入",
        f"{entry.sheet!r} row {entry.row} is here as {number} and says something else now: it was left. Go on in {number}; if it is "
        "another one, give it another number and import again",
    )


def _sums(done: "TakenOver", *, dry_run: bool) -> "Iterator[Text]":
    planned = done.plan
    rows, ignored = planned.understood.rows, sum(row.rows for row in planned.ignored)
    yield Text(
        f"表中 {rows} 行：{rows - ignored} 行是隐患，得 {len(planned.understood.entries)} 项；{ignored} 行不是，已逐行列出",
        f"{rows} rows: {rows - ignored} describe {len(planned.understood.entries)} hazards, {ignored} describe none and are named above",
    )
    doubtful = len({(doubt.sheet, doubt.row) for doubt in planned.doubts})
    counts = (planned.records, planned.hazards, len(planned.known), len(planned.changed), doubtful)
    zh = "补录台账（非系统见证）{} 项，待整改隐患 {} 项；此前已导入 {} 项，原表有改动 {} 项；有疑点 {} 行"
    en = "{} records (not witnessed), {} open hazards; {} are here already, {} changed since; {} rows with doubts"
    yield Text(
        f"{'将导入' if dry_run else '已导入'}{zh.format(*counts)}",
        f"{'would take over' if dry_run else 'took over'} {en.format(*counts)}",
    )
    if dry_run:
        yield Text("没有写入任何内容", "Nothing was written")
    elif done.refused:
        yield Text(f"{len(done.refused)} 项没有写入，见上", f"{len(done.refused)} were not written, see above")
    elif planned.records:
        yield Text(
            "补录的各项须由导入人以外的安稳办人员或分管校领导核对归档：在“台账”中筛选“补录待归档”，可批量办理",
            "the records are filed by another of the safety office or the vice-principal, never by who imported them: many at once, in "
            "the ledger under *Entered, to be filed*",
        )


def _ledger_in_json(file: Path, done: "TakenOver", *, dry_run: bool) -> dict[str, Any]:
    planned = done.plan
    return {
        "file": file,
        "dry_run": dry_run,
        "written": not dry_run and bool(done.numbers),
        "rows": planned.understood.rows,
        "hazards_found": len(planned.understood.entries),
        "records": planned.records,
        "open_hazards": planned.hazards,
        "known": len(planned.known),
        "numbers": done.numbers,
        "changed": [
            {"sheet": e.sheet, "row": e.row, "number": number, **_changed(e, number).to_json()}
            for e, number in planned.changed
        ],
        "ignored": [
            {"sheet": r.sheet, "row": r.row or None, "rows": r.rows, "said": r.said, **r.why.to_json()}
            for r in planned.ignored
        ],
        "doubts": [
            {"sheet": d.sheet, "row": d.row, "column": d.field, "code": d.code, "said": d.said, **d.text.to_json()}
            for d in planned.doubts
        ],
        "refused": [
            {"sheet": e.sheet, "row": e.row, "code": r.code, "zh": r.sentence("zh"), "en": r.sentence("en")}
            for e, r in done.refused
        ],
        "notices": [notice.to_json() for notice in planned.understood.notices],
    }
