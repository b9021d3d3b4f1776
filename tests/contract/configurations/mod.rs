//! Whole configurations, generated: what goes through stores and files comes back as it was, and no sequence of writes
//! that was accepted leaves a row that names nothing.

mod clusters;
mod dangling;
mod generate;

use std::path::Path;

use aisix::resources::configuration::{Configuration, Row, differences};
use aisix::resources::file;
use aisix::resources::file::write::{Secrets, write};
use aisix::store::keeper::{Delete, Intent, Keeper, Precondition, Put};
use aisix::store::sqlite::SqliteStore;
use aisix::store::{Rows, Store};
use clusters::Clusters;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs asynchronous work to its end.
fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

/// A way to empty stores of one sort, which are gone when it is.
trait Sort {
    fn empty(&self) -> Box<dyn Store>;
    /// The store made last, opened again.
    fn again(&self) -> Box<dyn Store>;
}

struct Databases {
    folder: TempDir,
    made: std::cell::Cell<usize>,
}

impl Databases {
    fn new() -> Self {
        Databases { folder: tempfile::tempdir().expect("a folder"), made: std::cell::Cell::new(0) }
    }

    fn open(&self) -> Box<dyn Store> {
        let path = self.folder.path().join(format!("{}.db", self.made.get()));
        Box::new(SqliteStore::open(path).expect("a database"))
    }
}

impl Sort for Databases {
    fn empty(&self) -> Box<dyn Store> {
        self.made.set(self.made.get() + 1);
        self.open()
    }

    fn again(&self) -> Box<dyn Store> {
        self.open()
    }
}

async fn kept(store: Box<dyn Store>) -> Keeper {
    Keeper::open(store, Box::new(|_| ())).await.expect("it can be read")
}

fn intent(puts: Vec<Put>, deletes: Vec<Delete>) -> Intent {
    Intent { who: "test".to_owned(), action: "import", puts, deletes, force: false, dry_run: false }
}

fn put(row: &Row) -> Put {
    let (kind, id, body) = (row.kind, Some(row.id.clone()), row.body.clone());
    Put { kind, id, body, only_if: Precondition::Absent, merge: false }
}

/// Writes all rows at once.
async fn bring(keeper: &mut Keeper, configuration: &Configuration) -> Result<(), TestCaseError> {
    let puts = configuration.rows().iter().map(put).collect();
    let done = keeper.carry_out(intent(puts, Vec::new())).await;
    done.map(drop).map_err(|refusal| TestCaseError::fail(format!("refused: {refusal:?}")))
}

fn taken(rows: Rows) -> Result<Configuration, TestCaseError> {
    let rows = rows.rows.into_iter().map(|row| (row.collection, row.id, row.body));
    let (configuration, notices) = Configuration::stored(rows);
    prop_assert!(notices.is_empty(), "{notices:?}");
    Ok(configuration)
}

/// Everything that makes rows what they are.
fn contents(configuration: &Configuration) -> Vec<(&'static str, String, Value)> {
    let row = |row: &Row| (row.kind.collection, row.id.clone(), row.body.clone());
    let mut rows: Vec<_> = configuration.rows().iter().map(row).collect();
    rows.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    rows
}

/// Into a store and out of it, into a file and out of it, into another store and out of that.
fn goes_round(sort: &dyn Sort, configuration: &Configuration) -> Result<(), TestCaseError> {
    wait(async {
        bring(&mut kept(sort.empty()).await, configuration).await?;
        let stored = taken(sort.again().load().await.expect("it can be read"))?;
        prop_assert_eq!(contents(&stored), contents(configuration));

        for secrets in [Secrets::Named, Secrets::Revealed] {
            let written = write(&stored, "Of a test.", secrets);
            prop_assert_eq!(written.check(&stored), Vec::<String>::new(), "{}", written.text);
        }
        let text = write(&stored, "", Secrets::Revealed).text;
        let read = file::read(&text, Path::new("r.yaml"), &|_| None);
        let read = read.map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
        prop_assert_eq!(contents(&read.beside(&stored)), contents(&stored), "{}", text);

        bring(&mut kept(sort.empty()).await, &read).await?;
        let second = taken(sort.again().load().await.expect("it can be read"))?;
        prop_assert!(differences(&second, &stored).is_empty(), "{:?}", differences(&second, &stored));
        Ok(())
    })
}

/// One write, as an operator might try it.
#[derive(Clone, Debug)]
enum Try {
    /// A row of another configuration takes the place of one that is there, or is added.
    Take {
        from: prop::sample::Index,
        over: Option<prop::sample::Index>,
    },
    Patch {
        of: prop::sample::Index,
        member: prop::sample::Index,
        value: Option<Value>,
    },
    Delete {
        of: prop::sample::Index,
    },
}

fn attempts() -> impl Strategy<Value = Vec<Try>> {
    let index = any::<prop::sample::Index>;
    let one =
        prop_oneof![
            (index(), prop::option::of(index())).prop_map(|(from, over)| Try::Take { from, over }),
            (index(), index(), prop::option::of(generate::value()))
                .prop_map(|(of, member, value)| Try::Patch { of, member, value }),
            index().prop_map(|of| Try::Delete { of }),
        ];
    prop::collection::vec(one, 1..12)
}

/// What a try writes.
fn written(attempt: &Try, rows: &[Row], others: &[Row]) -> Intent {
    let anything = Precondition::Anything;
    match attempt {
        Try::Take { from, over } => {
            let row = from.get(others);
            let over =
                over.map(|over| over.get(rows)).filter(|over| over.kind.collection == row.kind.collection);
            let id = Some(over.map_or_else(|| row.id.clone(), |over| over.id.clone()));
            let put = Put { kind: row.kind, id, body: row.body.clone(), only_if: anything, merge: false };
            intent(vec![put], Vec::new())
        }
        Try::Patch { of, member, value } => {
            let row = of.get(rows);
            // A row may have no member left; there is always one that it could have.
            let own = row.body.as_object().expect("a row").keys().map(String::as_str);
            let names: Vec<&str> = own.chain(["enabled"]).collect();
            let body = json!({ (*member.get(&names)): value });
            let put = Put { kind: row.kind, id: Some(row.id.clone()), body, only_if: anything, merge: true };
            intent(vec![put], Vec::new())
        }
        Try::Delete { of } => {
            let row = of.get(rows);
            intent(Vec::new(), vec![Delete { kind: row.kind, id: row.id.clone(), only_if: anything }])
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn configurations_go_through_databases_and_files_unchanged(configuration in generate::configuration()) {
        goes_round(&Databases::new(), &configuration.0)?;
    }

    #[test]
    fn nothing_that_was_accepted_names_what_is_not_there(
        configuration in generate::configuration(),
        others in generate::configuration(),
        attempts in attempts(),
    ) {
        let databases = Databases::new();
        wait(async {
            let mut keeper = kept(databases.empty()).await;
            bring(&mut keeper, &configuration.0).await?;
            for attempt in &attempts {
                let rows = keeper.rows().map(|row| (row.collection.clone(), row.id.clone(), row.body.clone()));
                let rows: Vec<(String, String, Value)> = rows.collect();
                let there = Configuration::stored(rows).0;
                if there.rows().is_empty() {
                    break;
                }
                // Most are refused, and that is as good.
                let outcome = keeper.carry_out(written(attempt, there.rows(), others.0.rows())).await;
                let rows: Vec<(String, String, Value)> =
                    keeper.rows().map(|row| (row.collection.clone(), row.id.clone(), row.body.clone())).collect();
                let dangling = dangling::references(&rows);
                prop_assert!(dangling.is_empty(), "{attempt:?} ({:?}) left {dangling:?}", outcome.is_ok());
            }
            Ok(())
        })?;
    }
}

/// `PROPTEST_CASES` sets another number.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}

#[test]
fn configurations_go_through_etcd_and_files_unchanged() {
    let clusters = Clusters::start();
    let config = ProptestConfig { cases: cases(), ..ProptestConfig::default() };
    let round = |configuration: generate::Generated| goes_round(&clusters, &configuration.0);
    let went = proptest::test_runner::TestRunner::new(config).run(&generate::configuration(), round);
    went.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_kind_and_every_way_to_name_another_row_is_generated() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let mut members = 0;
    for _ in 0..200 {
        let configuration = generate::configuration().new_tree(&mut runner).expect("a value").current();
        for row in configuration.0.rows() {
            seen.insert(row.kind.collection.to_owned());
            members = members.max(row.body.as_object().map_or(0, |body| body.len()));
            seen.extend(dangling::named(row.kind.collection, &row.body).into_iter().map(|named| named.path));
        }
    }
    for kind in &aisix::resources::KINDS {
        assert!(seen.contains(kind.collection), "{} is never generated", kind.collection);
    }
    for path in dangling::PATHS {
        assert!(seen.contains(*path), "{path} is never generated");
    }
    assert!(members > 7, "rows have few members: {members}");
}
