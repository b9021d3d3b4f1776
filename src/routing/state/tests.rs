//! A target's state with instants that nobody waits for.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const LATE: Duration = Duration::from_millis(120);

fn failed(status: u16, retry_after: Option<u64>) -> Told {
    Told::Failed {
        cause: Cause::Status,
        status: Some(status),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

fn answered() -> Told {
    Told::Answered { latency: LATE, streamed: false }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn is_ready(state: &Arc<TargetState>, now: Instant) -> bool {
    matches!(state.claim(now), Claim::Ready)
}

#[test]
fn a_failure_opens_the_circuit_one_trial_closes_it() {
    let (state, rules, start) = (TargetState::new(), Cooldown::default(), Instant::now());
    assert!(is_ready(&state, start));
    state.report(&rules, failed(500, None), start);
    assert!(
        matches!(state.claim(start + seconds(29)), Claim::Refused { until } if until <= start + seconds(30))
    );
    assert_eq!(state.view(start).reason, Some(Reason::ServerError));
    let then = start + seconds(31);
    assert_eq!((state.view(then).circuit, state.cooling(then)), (Circuit::HalfOpen, None));
    let Claim::Trial(trial) = state.claim(then) else { panic!("nobody tries it") };
    assert!(matches!(state.claim(then), Claim::Refused { .. }), "one at a time");
    assert!(state.cooling(then).is_some(), "whoever plans now plans without it");
    state.report(&rules, answered(), then);
    drop(trial);
    assert!(is_ready(&state, then));
    assert_eq!((state.view(then).openings, state.view(then).latency), (0, Some(LATE)));
}

#[test]
fn a_trial_that_tells_nothing_is_given_back() {
    let (state, start) = (TargetState::new(), Instant::now());
    state.report(&Cooldown::default(), failed(503, None), start);
    let then = start + seconds(31);
    let Claim::Trial(trial) = state.claim(then) else { panic!("nobody tries it") };
    state.report(&Cooldown::default(), Told::Nothing, then);
    drop(trial);
    assert!(matches!(state.claim(then), Claim::Trial(_)));
}

#[test]
fn a_trial_kept_too_long_does_not_give_back_the_next_one() {
    let (state, rules, start) = (TargetState::new(), Cooldown::default(), Instant::now());
    state.report(&rules, failed(503, None), start);
    let Claim::Trial(first) = state.claim(start + seconds(31)) else { panic!("nobody tries it") };
    state.report(&rules, failed(503, None), start + seconds(31));
    let then = start + seconds(100);
    let Claim::Trial(_second) = state.claim(then) else { panic!("nobody tries it") };
    drop(first);
    assert!(matches!(state.claim(then), Claim::Refused { .. }));
}

#[test]
fn of_many_at_once_one_gets_the_trial() {
    let (state, start) = (TargetState::new(), Instant::now());
    state.report(&Cooldown::default(), failed(503, None), start);
    let (then, trials) = (start + seconds(31), AtomicUsize::new(0));
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claim = state.claim(then);
                trials.fetch_add(usize::from(matches!(claim, Claim::Trial(_))), Ordering::Relaxed);
                barrier.wait();
            });
        }
    });
    assert_eq!(trials.into_inner(), 1);
}

#[test]
fn each_failed_trial_doubles_the_time_up_to_its_bound() {
    let (state, rules, start) =
        (TargetState::new(), Cooldown { max_seconds: 100, ..Cooldown::default() }, Instant::now());
    let mut now = start;
    for expected in [30, 60, 100, 100] {
        state.report(&rules, failed(500, None), now);
        let open = state.view(now).open_for.expect("it is open");
        assert!(open <= seconds(expected) && open > seconds(expected - 1), "{open:?}, {expected}");
        now += seconds(expected + 1);
    }
    state.report(&rules, answered(), now);
    state.report(&rules, failed(500, None), now);
    assert!(state.view(now).open_for.expect("it is open") <= seconds(30), "a success forgets");
}

#[test]
fn failures_of_tries_that_began_before_it_opened_change_nothing() {
    let (state, rules, start) = (TargetState::new(), Cooldown::default(), Instant::now());
    (0..50).for_each(|_| state.report(&rules, failed(500, None), start));
    let view = state.view(start);
    assert_eq!((view.openings, view.failures), (1, 50));
    assert!(view.open_for.expect("it is open") <= seconds(30));
}

#[test]
fn too_many_requests_are_waited_for_as_long_as_the_target_says() {
    let patient = Cooldown { after_failures: 5, ..Cooldown::default() };
    let open_for = |rules: &Cooldown, told| {
        let (state, now) = (TargetState::new(), Instant::now());
        state.report(rules, told, now);
        state.view(now).open_for.map(|time| (time.as_secs_f64()).round() as u64)
    };
    assert_eq!(open_for(&patient, failed(429, Some(7))), Some(7), "at once, and for that long");
    assert_eq!(open_for(&patient, failed(429, None)), None);
    assert_eq!(open_for(&patient, failed(429, Some(9000))), Some(600));
    let deaf = Cooldown { honor_retry_after: false, ..Cooldown::default() };
    assert_eq!(open_for(&deaf, failed(429, Some(7))), Some(30));
    let none = Cooldown { default_seconds: 0, ..Cooldown::default() };
    assert_eq!((open_for(&none, failed(500, None)), open_for(&none, failed(503, Some(2)))), (None, Some(2)));
    let off = Cooldown { enabled: false, ..Cooldown::default() };
    assert_eq!(open_for(&off, failed(500, None)), None);
}

#[test]
fn every_cause_has_its_reason_and_its_switch() {
    let quiet = Cooldown { trigger_on_timeout: false, trigger_on_transport: false, ..Cooldown::default() };
    let table = [
        (Cause::Status, Some(401), Some("upstream_auth_failure"), true),
        (Cause::Status, Some(408), Some("upstream_request_timeout"), true),
        (Cause::Status, Some(429), Some("upstream_rate_limited"), true),
        (Cause::Status, Some(502), Some("upstream_server_error"), true),
        (Cause::Status, Some(529), None, true),
        (Cause::Status, Some(400), None, true),
        (Cause::InBand, Some(503), Some("upstream_server_error"), true),
        (Cause::Timeout, None, Some("request_timeout"), false),
        (Cause::Transport, None, Some("transport_error"), false),
        (Cause::Decode, Some(200), Some("upstream_decode_error"), false),
        (Cause::InBand, None, Some("upstream_in_band_error"), false),
    ];
    for (cause, status, expected, by_status) in table {
        let reason = |rules: &Cooldown| {
            let (state, now) = (TargetState::new(), Instant::now());
            state.report(rules, Told::Failed { cause, status, retry_after: None }, now);
            state.view(now).reason.map(Reason::name)
        };
        assert_eq!(reason(&Cooldown::default()), expected, "{cause:?} {status:?}");
        assert_eq!(reason(&quiet), expected.filter(|_| by_status), "{cause:?} {status:?}");
    }
}

#[test]
fn failures_in_a_row_count_and_a_success_between_starts_anew() {
    let (state, rules, now) =
        (TargetState::new(), Cooldown { after_failures: 3, ..Cooldown::default() }, Instant::now());
    for told in [failed(500, None), failed(500, None), answered(), failed(500, None), failed(500, None)] {
        state.report(&rules, told, now);
        assert!(is_ready(&state, now));
    }
    state.report(&rules, failed(500, None), now);
    assert!(!is_ready(&state, now));
}

#[test]
fn a_share_of_failures_opens_once_there_were_enough_tries() {
    let rules = Cooldown {
        after_failures: 1000,
        error_rate: Some(0.5),
        window_seconds: 10,
        min_requests: 4,
        ..Cooldown::default()
    };
    let (state, start) = (TargetState::new(), Instant::now());
    for told in [failed(500, None), answered(), failed(500, None)] {
        state.report(&rules, told, start);
        assert!(is_ready(&state, start));
    }
    // All of that is too old a quarter of a minute later.
    let later = start + seconds(15);
    for told in [answered(), answered(), answered(), failed(500, None), failed(500, None)] {
        state.report(&rules, told, later);
        assert!(is_ready(&state, later));
    }
    state.report(&rules, failed(500, None), later);
    assert_eq!(state.view(later).reason, Some(Reason::ErrorRate));
    // A success after the trial forgets the window too.
    let last = later + seconds(31);
    state.report(&rules, answered(), last);
    state.report(&rules, failed(500, None), last);
    assert!(is_ready(&state, last));
}

#[test]
fn tries_under_way_are_counted_while_their_guards_live() {
    let state = TargetState::new();
    let (one, other) = (state.enter(), state.enter());
    assert_eq!(state.in_flight(), 2);
    drop(one);
    assert_eq!(state.in_flight(), 1);
    drop(other);
    assert_eq!(state.in_flight(), 0);
}

#[test]
fn a_bad_verdict_of_a_probe_ages_and_ends_with_a_success() {
    let (state, now) = (TargetState::new(), Instant::now());
    state.mark_unwell(now + seconds(60));
    assert!(state.is_unwell(now + seconds(59)) && !state.is_unwell(now + seconds(61)));
    state.mark_well();
    assert!(!state.is_unwell(now));
    state.mark_unwell(now + seconds(60));
    state.report(&Cooldown::default(), answered(), now);
    assert!(!state.is_unwell(now));
}

#[test]
fn whole_answers_and_first_frames_are_averaged_apart() {
    let (state, now) = (TargetState::new(), Instant::now());
    state.report(&Cooldown::default(), Told::Answered { latency: seconds(2), streamed: false }, now);
    state.report(&Cooldown::default(), Told::Answered { latency: LATE, streamed: true }, now);
    assert_eq!((state.speed(false, now), state.speed(true, now)), (Some(seconds(2)), Some(LATE)));
}

#[test]
fn every_reason_is_the_index_of_itself() {
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, place);
    }
}
