//! The keeper over a store that comes and goes as a test wants.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::resources::kind;
use crate::store::{Batch, Event, Unreadable, Write};

/// What another process keeps, and whether it can be reached.
#[derive(Default)]
struct Elsewhere {
    state: Mutex<State>,
    stirred: Notify,
}

#[derive(Default)]
struct State {
    rows: Rows,
    batches: Vec<Batch>,
    is_down: bool,
    hangs: bool,
}

/// The way there.
struct Remote(Arc<Elsewhere>, &'static str);

impl Elsewhere {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("no test fails in there"));
        self.stirred.notify_one();
    }

    /// Everything as a look at all of it tells, and as somebody who follows is told.
    fn put(&self, row: Stored) {
        self.set(|state| {
            state.rows.revision += 1;
            let row = Stored { revision: state.rows.revision, ..row };
            state.rows.rows.retain(|other| other.place() != row.place());
            state.rows.rows.push(row.clone());
            let revision = state.rows.revision;
            state.batches.push(Batch { events: vec![Event::Put(row)], revision });
        });
    }
}

#[async_trait]
impl Store for Remote {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn identity(&self) -> String {
        self.1.to_owned()
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn load(&mut self) -> Result<Rows, Failure> {
        if self.0.state.lock().expect("no test fails in there").hangs {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.state.lock().expect("no test fails in there");
        if state.is_down {
            return Err(Failure::Unavailable("nobody answers".to_owned()));
        }
        state.batches.clear();
        Ok(state.rows.clone())
    }

    async fn changes(&mut self, _after: u64) -> Result<Batch, Failure> {
        loop {
            {
                let mut state = self.0.state.lock().expect("no test fails in there");
                if state.is_down {
                    return Err(Failure::Unavailable("nobody answers".to_owned()));
                }
                if !state.batches.is_empty() {
                    return Ok(state.batches.remove(0));
                }
            }
            self.0.stirred.notified().await;
        }
    }

    async fn commit(&mut self, write: Write) -> Result<u64, Failure> {
        let mut state = self.0.state.lock().expect("no test fails in there");
        state.rows.revision += 1;
        let revision = state.rows.revision;
        for (collection, id, body) in write.puts {
            state.rows.rows.push(Stored { collection, id, body, revision });
        }
        Ok(revision)
    }

    async fn audit(&mut self, _: Option<u64>, _: usize) -> Result<Vec<Audit>, Failure> {
        Ok(Vec::new())
    }

    async fn at(&mut self, _: u64) -> Result<Option<Rows>, Failure> {
        Ok(None)
    }
}

/// A keeper of such a store, and what it published.
struct Kept {
    keeping: Option<Keeping>,
    status: Arc<Status>,
    published: mpsc::Receiver<Arc<Snapshot>>,
}

impl Kept {
    fn start(elsewhere: &Arc<Elsewhere>, file: &Path, identity: &'static str) -> Result<Self, Failure> {
        let (tell, published) = mpsc::channel();
        let publish = move |snapshot: &Arc<Snapshot>| {
            // A test that has seen enough no longer listens.
            let _ = tell.send(Arc::clone(snapshot));
        };
        let store = Box::new(Remote(Arc::clone(elsewhere), identity));
        let mut opening = Opening::new(store, Box::new(publish));
        opening.last_known_good = Some(file.to_owned());
        let status = Arc::clone(&opening.status);
        let keeping = Some(start(opening)?);
        Ok(Kept { keeping, status, published })
    }

    fn next(&self) -> Arc<Snapshot> {
        self.published.recv_timeout(WITHIN).expect("something is published")
    }

    /// Ends the keeper, when it has written what it still had to.
    fn end(mut self) {
        self.keeping = None;
        while self.published.recv_timeout(WITHIN).is_ok() {}
    }
}

fn row(collection: &str, id: &str, body: Value) -> Stored {
    Stored { collection: collection.to_owned(), id: id.to_owned(), body, revision: 0 }
}

fn provider_key(name: &str, secret: &str) -> Stored {
    row("provider_keys", name, json!({"display_name": name, "provider": "openai", "api_key": secret}))
}

fn secret(snapshot: &Snapshot, id: &str) -> Option<String> {
    snapshot.provider_key(id).map(|key| key.secret.expose().to_owned())
}

fn place(folder: &TempDir) -> PathBuf {
    folder.path().join("copies/last-known-good.json")
}

/// Until something that cannot be awaited holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + WITHIN;
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what} does not come");
        std::thread::yield_now();
    }
}

/// Long enough for the slowest machine.
const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_start_without_the_store_serves_what_was_good_and_takes_over_what_the_store_says_when_it_comes() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = Arc::<Elsewhere>::default();
    elsewhere.put(provider_key("a", "sk-one"));
    Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach").end();
    let mode = std::fs::metadata(place(&folder)).expect("a copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    elsewhere.set(|state| state.is_down = true);
    let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("there is a copy");
    assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-one"));
    let facts = kept.status.facts();
    assert!(facts.from_last_known_good && !facts.connected() && !facts.is_whole());
    assert_eq!(facts.last_failure.map(|failure| failure.kind), Some("fetch"));

    elsewhere.put(provider_key("a", "sk-two"));
    elsewhere.set(|state| state.is_down = false);
    assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-two"));
    until("the end of the emergency", || kept.status.facts().is_whole());
    elsewhere.put(provider_key("a", "sk-three"));
    assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-three"), "changes are followed from here on");
}

#[test]
fn a_store_that_hangs_does_not_keep_a_start_waiting_when_there_is_a_copy() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = Arc::<Elsewhere>::default();
    elsewhere.put(provider_key("a", "sk-one"));
    Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach").end();
    elsewhere.set(|state| state.hangs = true);
    let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("there is a copy");
    assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-one"));
    drop(kept);
}

#[test]
fn a_copy_that_is_damaged_or_of_another_store_is_not_used() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = Arc::<Elsewhere>::default();
    elsewhere.put(provider_key("a", "sk-one"));
    Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach").end();
    let whole = std::fs::read_to_string(place(&folder)).expect("a copy");
    elsewhere.set(|state| state.is_down = true);
    let refused = |text: Option<&str>, identity: &'static str| {
        match text {
            Some(text) => std::fs::write(place(&folder), text).expect("a file"),
            None => std::fs::remove_file(place(&folder)).expect("a file"),
        }
        // One that starts ends before the next: it writes a copy as well.
        Kept::start(&elsewhere, &place(&folder), identity).map(Kept::end).err()
    };
    let unavailable = Some(Failure::Unavailable("nobody answers".to_owned()));
    assert_eq!(refused(Some(&whole), "here"), None);
    assert_eq!(refused(Some(&whole), "there"), unavailable, "of another store");
    assert_eq!(refused(Some(&whole.replace("sk-one", "sk-two")), "here"), unavailable, "changed");
    assert_eq!(refused(Some(&whole[..whole.len() / 2]), "here"), unavailable, "cut off");
    assert_eq!(refused(Some(&whole.replace("\"format\":1", "\"format\":9")), "here"), unavailable, "newer");
    assert_eq!(refused(Some(""), "here"), unavailable, "empty");
    assert_eq!(refused(None, "here"), unavailable, "not there");
}

#[test]
fn a_row_that_cannot_be_read_keeps_its_earlier_form_also_over_a_restart() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = Arc::<Elsewhere>::default();
    elsewhere.put(provider_key("a", "sk-one"));
    elsewhere.put(provider_key("b", "sk-b"));
    let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach");
    assert!(secret(&kept.next(), "a").is_some());
    elsewhere.put(row("provider_keys", "a", json!({"display_name": "a"})));
    assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-one"));
    elsewhere.put(row("surprises", "x", json!({})));
    kept.next();
    let flaws = |status: &Status| {
        let rejected = status.facts().rejected;
        let mut flaws: Vec<_> =
            rejected.iter().map(|((_, id), row)| (id.clone(), row.flaw, row.pinned.is_some())).collect();
        flaws.sort_by(|one, other| one.0.cmp(&other.0));
        flaws
    };
    let expected = [("a".to_owned(), Flaw::Schema, true), ("x".to_owned(), Flaw::UnknownKind, false)];
    // Told right after what is served, not before.
    until("what is wrong with the rows", || flaws(&kept.status) == expected);
    kept.end();

    for is_down in [true, false] {
        elsewhere.set(|state| state.is_down = is_down);
        let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("there is a copy");
        assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-one"), "out of reach: {is_down}");
        until("what is wrong with the rows", || flaws(&kept.status) == expected);
        kept.end();
    }
    let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach");
    kept.next();
    elsewhere.put(provider_key("a", "sk-two"));
    assert_eq!(secret(&kept.next(), "a").as_deref(), Some("sk-two"));
    until("its good name", || flaws(&kept.status).len() == 1);
}

#[test]
fn contact_that_is_lost_is_told_at_once_and_nothing_served_changes_by_it() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = Arc::<Elsewhere>::default();
    elsewhere.put(provider_key("a", "sk-one"));
    let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach");
    let before = kept.next();
    until("contact", || kept.status.facts().connected());
    elsewhere.set(|state| state.is_down = true);
    until("the loss", || !kept.status.facts().connected());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let keeping = kept.keeping.clone().expect("it runs");
    let intent = || Intent {
        who: "t".to_owned(),
        action: "create",
        puts: vec![Put {
            kind: kind("provider_keys").expect("a kind"),
            id: None,
            body: provider_key("n", "sk-n").body,
            only_if: Precondition::Anything,
            merge: false,
        }],
        deletes: Vec::new(),
        force: false,
        dry_run: false,
    };
    let asked = runtime.block_on(keeping.ask(move |keeper| Box::pin(keeper.carry_out(intent()))));
    let Some(Err(Refusal::Store(Failure::Unavailable(why)))) = asked else { panic!("{asked:?}") };
    assert!(why.contains("out of reach"), "{why}");
    elsewhere.set(|state| state.is_down = false);
    until("contact", || kept.status.facts().connected());
    assert!(kept.published.try_recv().is_err(), "nothing was new, so nothing was put into force");
    assert_eq!(secret(&before, "a").as_deref(), Some("sk-one"));
}

#[test]
fn what_no_row_can_be_made_of_is_told_and_stops_nothing() {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = Arc::<Elsewhere>::default();
    let unreadable = |id: &str, flaw| Unreadable {
        collection: "models".to_owned(),
        id: id.to_owned(),
        flaw,
        why: "it is not JSON".to_owned(),
    };
    elsewhere.set(|state| state.rows.unreadable = vec![unreadable("m", Flaw::NotJson)]);
    elsewhere.put(provider_key("a", "sk-one"));
    let kept = Kept::start(&elsewhere, &place(&folder), "here").expect("it is in reach");
    assert!(secret(&kept.next(), "a").is_some());
    until("the word", || kept.status.facts().rejected.len() == 1);
    let events = vec![
        Event::Unreadable(unreadable("a", Flaw::BadKey)),
        Event::Gone { collection: "models".to_owned(), id: "m".to_owned() },
    ];
    elsewhere.set(|state| state.batches.push(Batch { events, revision: 9 }));
    kept.next();
    until("the other word", || {
        let rejected = kept.status.facts().rejected;
        rejected.len() == 1 && rejected.values().all(|row| row.flaw == Flaw::BadKey)
    });
}

fn offered(collection: &str, body: Value) -> Offered {
    Offered { kind: kind(collection).expect("a kind"), body }
}

/// A keeper over an empty database with what an environment offers.
fn over_a_database(folder: &TempDir) -> Keeper {
    let store = crate::store::sqlite::SqliteStore::open(folder.path().join("a.db")).expect("a store");
    let mut opening = Opening::new(Box::new(store), Box::new(|_| ()));
    opening.offered = vec![
        offered("provider_keys", json!({"display_name": "up", "provider": "openai", "api_key": "sk-env"})),
        offered(
            "models",
            json!({"display_name": "m", "provider": "openai", "model_name": "x", "provider_key": "up"}),
        ),
        offered(
            "api_keys",
            json!({"display_name": "run", "key_hash": "0".repeat(64), "allowed_models": ["*"]}),
        ),
    ];
    Keeper::new(opening)
}

fn intent(kind_of: &str, id: Option<&str>, body: Value) -> Intent {
    let put = Put {
        kind: kind(kind_of).expect("a kind"),
        id: id.map(str::to_owned),
        body,
        only_if: Precondition::Anything,
        merge: false,
    };
    Intent {
        who: "t".to_owned(),
        action: "create",
        puts: vec![put],
        deletes: Vec::new(),
        force: false,
        dry_run: false,
    }
}

fn removal(kind_of: &str, id: &str) -> Intent {
    let kind = kind(kind_of).expect("a kind");
    let delete = Delete { kind, id: id.to_owned(), only_if: Precondition::Anything };
    Intent { puts: Vec::new(), deletes: vec![delete], ..intent(kind_of, None, json!({})) }
}

#[tokio::test]
async fn a_stored_row_takes_the_place_of_an_offered_one_of_its_name_for_as_long_as_it_is_there() {
    let folder = TempDir::new().expect("a folder");
    let mut keeper = over_a_database(&folder);
    assert!(keeper.begin().await.expect("a store").is_none());
    let id = crate::resources::row_id("provider_keys", "up");
    let key_of_model = |keeper: &Keeper| {
        let found = keeper.snapshot().model("m").map(|found| Arc::clone(found.model)).expect("an alias");
        secret(keeper.snapshot(), found.provider_key_id.as_deref().unwrap_or_default())
    };
    assert_eq!(key_of_model(&keeper).as_deref(), Some("sk-env"));
    let body = || provider_key("up", "sk-mine").body;
    let refused = keeper.carry_out(intent("provider_keys", Some(&id), body())).await;
    assert_eq!(refused.err(), Some(Refusal::Offered));
    assert_eq!(keeper.carry_out(removal("provider_keys", &id)).await.err(), Some(Refusal::Offered));

    let made = keeper.carry_out(intent("provider_keys", None, body())).await.expect("its name is free");
    assert_eq!(made.rows[0].id, id, "what names the offered row names this one now");
    assert_eq!(key_of_model(&keeper).as_deref(), Some("sk-mine"));
    assert_eq!(keeper.rows().count(), 1, "what is offered is not stored");
    assert_eq!(keeper.list(kind("models").expect("a kind"), None).count(), 1);

    keeper.carry_out(removal("provider_keys", &id)).await.expect("only offered rows name it");
    assert_eq!(key_of_model(&keeper).as_deref(), Some("sk-env"), "the offered one is back");
}

#[tokio::test]
async fn a_stored_row_that_has_what_an_offered_one_has_takes_its_place_under_its_own_name() {
    let folder = TempDir::new().expect("a folder");
    let mut keeper = over_a_database(&folder);
    keeper.begin().await.expect("a store");
    let hash = [0; 32];
    let name = |keeper: &Keeper| keeper.snapshot().caller_key(&hash).and_then(|key| key.display_name.clone());
    assert_eq!(name(&keeper).as_deref(), Some("run"));
    let body = json!({"display_name": "mine", "key_hash": "0".repeat(64), "allowed_models": []});
    let made = keeper.carry_out(intent("api_keys", None, body)).await.expect("the hash is free");
    assert_eq!(name(&keeper).as_deref(), Some("mine"));
    assert_eq!(keeper.list(kind("api_keys").expect("a kind"), None).count(), 1);
    keeper.carry_out(removal("api_keys", &made.rows[0].id)).await.expect("it is there");
    assert_eq!(name(&keeper).as_deref(), Some("run"));
}

#[tokio::test]
async fn members_nobody_knows_are_counted_by_their_paths_for_as_long_as_they_are_there() {
    let folder = TempDir::new().expect("a folder");
    let mut keeper = over_a_database(&folder);
    keeper.begin().await.expect("a store");
    let put = |id: &str, more: Value| {
        let mut row = provider_key(id, "sk");
        row.body["shiny"] = more;
        Event::Put(Stored { revision: 1, ..row })
    };
    let told = |keeper: &Keeper| -> Vec<(String, usize)> {
        keeper.unknown.iter().map(|((_, path), count)| (path.clone(), *count)).collect()
    };
    keeper.take(Batch { events: vec![put("a", json!(1)), put("b", json!(2))], revision: 1 });
    assert_eq!(told(&keeper), [("shiny".to_owned(), 2)]);
    assert!(keeper.snapshot().provider_key("a").is_some());
    let gone = Event::Gone { collection: "provider_keys".to_owned(), id: "a".to_owned() };
    keeper.take(Batch { events: vec![gone], revision: 2 });
    assert_eq!(told(&keeper), [("shiny".to_owned(), 1)]);
    keeper.take(Batch {
        events: vec![Event::Put(Stored { revision: 3, ..provider_key("b", "sk") })],
        revision: 3,
    });
    assert_eq!(told(&keeper), []);
}
