//! When a session ends, what it keeps, and what its owner sees of it.

use super::*;
use crate::serve::portal::tests::Counting;

const M: MailboxId = MailboxId::new([1; 16]);
const N: MailboxId = MailboxId::new([2; 16]);

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn of(mailbox: MailboxId, first_look: bool) -> Beginning {
    Beginning { mailbox, generation: 3, first_look, agent: Agent::default() }
}

#[test]
fn ends_by_idling_by_age_and_by_word() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let begin = |at| sessions.begin(of(M, true), &key, minutes(at), &random);
    let cookie = begin(0);
    let cookie = cookie.expose();
    let resumed = sessions.resume(cookie, minutes(14)).unwrap();
    assert_eq!((resumed.mailbox, resumed.generation), (M, 3));
    assert!(sessions.resume(cookie, minutes(28)).is_some());
    assert!(sessions.resume(cookie, minutes(43)).is_none());
    assert!(sessions.resume(cookie, minutes(28)).is_none(), "gone for good");

    let cookie = begin(0);
    for at in (0..480).step_by(10) {
        assert!(sessions.resume(cookie.expose(), minutes(at)).is_some(), "{at}");
    }
    assert!(sessions.resume(cookie.expose(), minutes(480)).is_none());

    let cookie = begin(0);
    sessions.end(cookie.expose());
    assert!(sessions.resume(cookie.expose(), minutes(0)).is_none());

    let cookie = begin(0);
    sessions.sweep(minutes(20));
    assert_eq!(sessions.lock().len(), 0);
    assert!(sessions.resume(cookie.expose(), minutes(0)).is_none());
}

#[test]
fn a_foreign_or_made_up_cookie_is_nothing() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
    for text in ["", "x", &"A".repeat(43), &cookie.expose()[1..]] {
        assert!(sessions.resume(text, minutes(0)).is_none(), "{text}");
        sessions.end(text);
    }
    assert!(sessions.resume(cookie.expose(), minutes(0)).is_some());
}

#[test]
fn eight_of_a_mailbox_and_no_more() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let other = sessions.begin(of(N, false), &key, minutes(0), &random);
    let cookies: Vec<_> =
        (0..9).map(|n| sessions.begin(of(M, false), &key, Duration::from_secs(n), &random)).collect();
    let live = cookies.iter().filter(|cookie| sessions.resume(cookie.expose(), minutes(1)).is_some()).count();
    assert_eq!(live, 8);
    assert!(sessions.resume(cookies[0].expose(), minutes(1)).is_none(), "the oldest went");
    assert!(sessions.resume(other.expose(), minutes(1)).is_some());
    sessions.end_all(M);
    assert_eq!(sessions.lock().len(), 1);
}

#[test]
fn the_first_look_is_once() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let cookie = sessions.begin(of(M, true), &key, minutes(0), &random);
    assert!(sessions.take_first_look(cookie.expose()));
    assert!(!sessions.take_first_look(cookie.expose()));
    let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
    assert!(!sessions.take_first_look(cookie.expose()));
}

#[test]
fn a_first_look_that_nobody_took_goes_with_the_next() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let begin = |whose, first_look| sessions.begin(of(whose, first_look), &key, minutes(0), &random);
    let (dropped, other, signed_in) = (begin(M, true), begin(N, true), begin(M, false));
    let looked = begin(M, true);
    let live = |cookie: &Secret<String>| sessions.resume(cookie.expose(), minutes(0)).is_some();
    assert!(!live(&dropped) && live(&other) && live(&signed_in) && live(&looked));
    assert!(sessions.take_first_look(looked.expose()));
    begin(M, true);
    assert!(live(&looked), "somebody looks there");
}

#[test]
fn an_owner_sees_and_ends_what_is_theirs() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let begin = |whose, at| sessions.begin(of(whose, false), &key, minutes(at), &random);
    let (one, two, three, foreign) = (begin(M, 0), begin(M, 1), begin(M, 2), begin(N, 2));
    let now = minutes(5);
    let listed = sessions.list(M, two.expose(), now);
    let ages: Vec<_> = listed.iter().map(|listed| (listed.age, listed.idle, listed.own)).collect();
    let line = |at, own| (minutes(at), minutes(at), own);
    assert_eq!(ages, [line(3, false), line(4, true), line(5, false)]);

    let ended = sessions.resume(one.expose(), now).unwrap().ended;
    let number = listed.last().unwrap().number.clone();
    assert!(!sessions.end_number(N, &number), "of another mailbox");
    assert!(!ended.is_cancelled());
    assert!(sessions.end_number(M, &number) && !sessions.end_number(M, &number));
    assert!(ended.is_cancelled() && sessions.resume(one.expose(), now).is_none());

    let ended = sessions.resume(three.expose(), now).unwrap().ended;
    sessions.end_others(M, two.expose());
    assert!(ended.is_cancelled() && sessions.resume(three.expose(), now).is_none());
    assert!(sessions.resume(two.expose(), now).is_some() && sessions.resume(foreign.expose(), now).is_some());
    assert_eq!(sessions.list(M, two.expose(), now).len(), 1);
}

#[test]
fn what_was_typed_is_kept_for_its_session_and_place_alone() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let secret = |text: &str| Secret::new(text.to_owned());
    let [cookie, other] = [M, M].map(|mailbox| sessions.begin(of(mailbox, false), &key, minutes(0), &random));
    let keep = |cookie: &Secret<String>, place: &str, text: &str| {
        sessions.keep_draft(cookie.expose(), place, &secret(text), &random)
    };
    let kept = |cookie: &Secret<String>, place: &str| {
        sessions.draft(cookie.expose(), place).map(|text| text.expose().clone()).unwrap_or_default()
    };
    assert_eq!(kept(&cookie, "inbox/1"), "");
    for text in ["first", "second"] {
        assert!(keep(&cookie, "inbox/1", text));
    }
    assert_eq!(kept(&cookie, "inbox/1"), "second");
    assert_eq!((kept(&other, "inbox/1"), kept(&cookie, "sent/1")), (String::new(), String::new()));
    assert!(sessions.draft("x", "inbox/1").is_none());
    let sealed = sessions.lock().values().flat_map(|session| session.drafts.clone()).next().unwrap().1;
    assert!(!sealed.windows(6).any(|at| at == b"second"), "in memory it is sealed");

    let large = "x".repeat(DRAFTS - 100);
    assert!(keep(&other, "inbox/1", &large));
    assert!(!keep(&cookie, "inbox/1", &"y".repeat(200)), "no room");
    assert_eq!(kept(&cookie, "inbox/1"), "second", "the former text stays");
    assert!(!keep(&other, "inbox/2", &"y".repeat(200)), "its own others count too");
    sessions.forget_draft(other.expose(), "inbox/1");
    assert_eq!(kept(&other, "inbox/1"), "");
    assert!(keep(&cookie, "inbox/1", "third"));
    sessions.end(cookie.expose());
    assert!(kept(&cookie, "inbox/1").is_empty() && !keep(&cookie, "inbox/1", "x"));
}

#[test]
fn answers_to_several_messages_are_kept_side_by_side() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
    let place = |n: usize| format!("inbox/{n}");
    let keep = |n: usize| {
        let text = Secret::new(format!("to {n}"));
        assert!(sessions.keep_draft(cookie.expose(), &place(n), &text, &random));
    };
    let kept = || {
        let is_kept = |n: &usize| {
            let text = sessions.draft(cookie.expose(), &place(*n));
            text.is_some_and(|text| *text.expose() == format!("to {n}"))
        };
        (1..=DRAFTS_EACH + 1).filter(is_kept).collect::<Vec<_>>()
    };
    (1..=DRAFTS_EACH).for_each(keep);
    assert_eq!(kept(), (1..=DRAFTS_EACH).collect::<Vec<_>>());
    sessions.forget_draft(cookie.expose(), &place(2));
    assert_eq!(kept(), [1, 3, 4, 5, 6, 7, 8], "that one alone");
    keep(1);
    keep(2);
    keep(DRAFTS_EACH + 1);
    assert_eq!(kept(), [1, 2, 4, 5, 6, 7, 8, 9], "the oldest went");
}

#[test]
fn a_long_answer_keeps_its_session_but_not_for_ever() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
    for at in (10..480).step_by(10) {
        sessions.touch(cookie.expose(), minutes(at));
    }
    assert!(sessions.resume(cookie.expose(), minutes(479)).is_some());
    sessions.touch(cookie.expose(), minutes(481));
    assert!(sessions.resume(cookie.expose(), minutes(481)).is_none());
}

#[test]
fn a_passphrase_fetches_one_file_within_ten_minutes() {
    let random = Counting::default();
    let key = MailboxKey::generate(&random);
    let sessions = Sessions::default();
    let secret = |text: &str| Secret::new(text.to_owned());
    let cookie = sessions.begin(of(M, false), &key, minutes(0), &random);
    let other = sessions.begin(of(M, false), &key, minutes(0), &random);
    let take =
        |cookie: &Secret<String>, text, at| sessions.take_grant(cookie.expose(), &secret(text), minutes(at));
    assert!(!take(&cookie, "one", 0), "nothing was allowed");
    sessions.grant(cookie.expose(), &secret("one"), minutes(0));
    assert!(!take(&cookie, "two", 1) && !take(&other, "one", 1) && !take(&cookie, "", 1));
    assert!(take(&cookie, "one", 9) && !take(&cookie, "one", 9), "once");
    sessions.grant(cookie.expose(), &secret("one"), minutes(0));
    sessions.grant(cookie.expose(), &secret("two"), minutes(0));
    assert!(!take(&cookie, "one", 1) && !take(&cookie, "two", 10), "replaced, too late");
    sessions.sweep(minutes(11));
    assert!(sessions.lock().values().all(|session| session.grant.is_none()));
}
