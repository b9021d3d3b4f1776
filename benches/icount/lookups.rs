//! From names to rows, among few rows and among many.

use std::hint::black_box;
use std::time::SystemTime;

use aisix::policy::auth::{self, Credentials};
use aisix::resources::{ApiKey, Model, ProviderKey, Snapshot, SnapshotBuilder};

use super::Run;
use super::samples::UPSTREAM_MODEL;

/// From the credential in a header to the caller: one that this thread has seen before, or one that nobody knows.
pub fn identify(rows: usize, token: &'static [u8], known: bool) -> Run {
    // Nobody has the plaintext of these; hashing so many texts would only take time.
    let others = (1..rows).map(|index| {
        let mut key = ApiKey { allowed_models: vec!["*".into()], ..ApiKey::default() };
        key.hash[..8].copy_from_slice(&index.to_le_bytes());
        (key, format!("key-{index}"))
    });
    let builder = others.fold(builder(), |builder, (key, id)| builder.add_api_key(key, id));
    let snapshot = build(builder.add_api_key(ApiKey::new("sk-known", &["*"]), "known"));
    Box::new(move || {
        let credentials = Credentials { authorization: Some(token), x_api_key: None };
        let caller = black_box(auth::identify(&snapshot, black_box(credentials), SystemTime::now));
        assert_eq!(caller.is_ok(), known);
    })
}

/// From an alias to the model.
pub fn find_model(rows: usize) -> Run {
    let models = (0..rows).map(|index| {
        let alias = format!("model-{index}");
        (Model::direct(&alias, "openai", UPSTREAM_MODEL, PROVIDER_KEY), alias)
    });
    let snapshot = build(models.fold(builder(), |builder, (model, id)| builder.add_model(model, id)));
    Box::new(move || {
        black_box(snapshot.model(black_box("model-500"))).expect("the model is known");
    })
}

fn builder() -> SnapshotBuilder {
    let key = ProviderKey::new("provider", "openai", "sk-upstream");
    // The rows come from nowhere; a digest of all of them would only take time.
    Snapshot::builder().hash(String::new()).add_provider_key(key, PROVIDER_KEY)
}

fn build(builder: SnapshotBuilder) -> Snapshot {
    builder.build().expect("the rows fit together")
}

const PROVIDER_KEY: &str = "provider-key-id";
