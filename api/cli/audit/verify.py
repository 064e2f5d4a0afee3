"""`bihuan audit verify`: is everything that was recorded still what was recorded?"""

import sys
from pathlib import Path

import click

from api.cli.opening import data_option, json_option, opened, organisation_option, print_json, the_organisation

PERMILLE = 1000  # the progress bar's steps
LOST = 3  # exit code; 2 is a command given wrongly


@click.command()
@click.option(
    "--checkpoint", "outside", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Checkpoints that were kept elsewhere: the file BIHUAN_SEAL_FILE names, or what `audit seal --json` printed.",
)  # fmt: skip
@click.option("--new", "only_new", is_flag=True, help="Only what is new since the last run that found nothing.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="How many share the work.")
@organisation_option
@data_option
@json_option
def verify(
    outside: Path | None, only_new: bool, processes: int, organisation: str | None, data: Path | None, as_json: bool
) -> None:
    """Check that nothing that was recorded has been changed since (核验).

    \b
    Exit code
      0  everything agrees
      1  something was changed, removed or put there; it is named
      3  everything that is there agrees, but checkpoints kept elsewhere speak
         of events that are not there, and only a note in the logbook, that a
         backup was restored, explains it: nothing signed shows that it is true

    \b
    What is checked
      every event: its bytes, its place in the chain of its case, what it says
        against the commitments made then, its hash in the signed tree
      every case: whether its events give exactly what is stored
      every file an event names: whether it is there and unchanged
      every checkpoint: signature, key, what it was signed over, growth
      the last checkpoint that was signed here, which lies beside the key, and
        checkpoints kept elsewhere (--checkpoint): whether they are in this history

    \b
    What is covered, and what is not
      - At most the last minute is not covered: `serve` signs once a minute
        (BIHUAN_SEAL_SECONDS). Events after the last checkpoint are chained,
        not signed yet.
      - Whoever has the database alone can change nothing below the last
        checkpoint that was signed here: it lies beside the key, is looked at
        here, and what does not grow from it is not signed. Verify where the
        key lies; with a copy of the database alone that checkpoint is missing.
      - Whoever has database and keys could sign another history. Only a
        checkpoint kept elsewhere shows that: keep BIHUAN_SEAL_FILE on another
        machine, and give it here.
      - What a restore lost is noted. It ends with 0 if the key that signed the
        checkpoints kept elsewhere signed the restore afterwards: then whoever
        has the key answers for it. Ask him what happened to that range.
      - That what was entered was true, no chain can show; only that it was
        entered then, by whom, and not changed since.
      - Refusals, timers, what each period owed, people, departments, settings,
        messages and sign-ins are not chained.
      - --new trusts what the data folder remembers of the last run, and does
        not look at cases nothing happened to since. Run it whole now and then.

    \b
    核验内容：每条记录的原文、在事项链中的位置、所记内容与当时的承诺、在签名树中的
    哈希值；由记录重建的事项与库存是否一致；所引用的文件；每个检查点的签名、密钥和增长；
    密钥旁留存的检查点和外存检查点是否在这段历史之中。
    退出码：0 一切相符；1 发现问题；3 现有记录相符，但另存的检查点所述的记录已不在，只有
    操作日志中“由备份恢复”一条可以解释，而没有签名能证实。
    不能保证的：最近至多一分钟的记录尚未签名；同时掌握数据库和密钥的人可以另签一段历史，
    只有外存的检查点才能揭穿；恢复时丢失的范围由签名者负责说明；所填内容是否属实；未办理的、
    时限提醒的安排、各周期是否上报、人员、部门、设置、消息和登录不在链中。
    """
    from api.verifying import verify as check

    with opened(data) as runtime:
        here = the_organisation(runtime, organisation)
        with click.progressbar(length=PERMILLE, label="核验 · Verifying", file=sys.stderr) as bar:
            report = check(
                runtime.database, runtime.folder, here, outside=outside, processes=processes, only_new=only_new,
                progress=lambda part: bar.update(max(0, round(part * PERMILLE) - bar.pos)),
            )  # fmt: skip
    if as_json:
        print_json(report.to_json())
    else:
        since = (
            f"（此前已核验 {report.since} 条） (after {report.since} that were checked before)" if report.since else ""
        )
        click.echo(f"记录 · Events: {report.events}{since}")
        click.echo(f"事项 · Cases: {report.cases}")
        click.echo(f"文件 · Files: {report.files}")
        click.echo(f"检查点 · Checkpoints: {report.checkpoints}; 外存 · kept elsewhere: {report.outside}")
        click.echo(f"已签署 · Signed: {report.sealed} / {report.size}")
        for note in report.notes:
            click.echo(f"说明 · Note: {note.zh} · {note.en}")
        for lost in report.lost:
            click.echo(f"已丢失 · Lost: {lost.zh} · {lost.en}")
        for finding in report.findings:
            click.echo(f"{finding.sentence('zh')} · {finding.sentence('en')}")
        if report.more:
            click.echo(f"另有 {report.more} 处 · and {report.more} more")
        if report.is_clean:
            click.echo("一切相符 · Everything agrees")
        elif report.findings:
            count = len(report.findings) + report.more
            click.echo(f"发现 {count} 处问题 · {count} findings", err=True)
    if not report.is_clean:
        raise click.exceptions.Exit(1 if report.findings else LOST)
