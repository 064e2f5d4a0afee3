from datetime import timedelta

from notifications import deliveries
from tests.notifications.fakes import ALICE, Post, a_notice


def test_a_second_copy_finds_its_place_taken(post: Post) -> None:
    post.outbox.write(a_notice())
    post.worker(post.inbox()).run_once()
    with post.database.write_across() as connection:
        connection.exec_driver_sql("UPDATE delivery SET status = 'waiting'")
    assert post.worker(post.inbox()).run_once().direct == 1
    with post.database.read_across() as connection:
        [message] = deliveries.inbox_of(connection, "school", "alice")
    assert message.id == post.deliveries()[0].id
    assert post.deliveries()[0].answer == "on the desk already"


def test_a_desk_shows_the_latest_first_and_only_its_owners(post: Post) -> None:
    for n in (1, 2, 3):
        post.outbox.write(a_notice(f"YH-2020-000{n}", written_at=post.clock.now()))
        post.worker(post.inbox()).run_once()
        post.clock.advance(timedelta(minutes=1))
    with post.database.read_across() as connection:
        messages = deliveries.inbox_of(connection, "school", "alice")
        assert [m.cases for m in messages] == [("YH-2020-0003",), ("YH-2020-0002",), ("YH-2020-0001",)]
        assert messages[0].subject == "待办：YH-2020-0003 插座面板破损，还有 4 天"
        assert deliveries.inbox_of(connection, "school", "alice", limit=1, after=messages[0].id) == messages[1:2]
        assert deliveries.inbox_of(connection, "school", "bob") == []
        assert deliveries.inbox_of(connection, "other", "alice") == []


def test_what_is_read_is_no_longer_unread_and_nobody_reads_for_another(post: Post) -> None:
    post.outbox.write(a_notice("YH-2020-0001"), a_notice("YH-2020-0002"))
    post.worker(post.inbox()).run_once()
    with post.database.write_across() as connection:
        first, second = deliveries.inbox_of(connection, "school", "alice")
        assert deliveries.mark_read(connection, "school", "bob", [first.id], post.clock.now()) == 0
        assert deliveries.mark_read(connection, "school", "alice", [first.id], post.clock.now()) == 1
        assert deliveries.mark_read(connection, "school", "alice", [first.id], post.clock.now()) == 0
        assert deliveries.inbox_of(connection, "school", "alice", unread_only=True) == [second]
        assert deliveries.mark_read(connection, "school", "alice", None, post.clock.now()) == 1


def test_it_reaches_everyone_who_can_sign_in(post: Post) -> None:
    assert post.inbox().address_of(ALICE) == "alice"
