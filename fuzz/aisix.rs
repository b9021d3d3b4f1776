//! The rooms under test, without the rest of the gateway, and what the targets share.

#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/dialect/mod.rs"]
pub mod dialect;
#[path = "../src/document/mod.rs"]
pub mod document;
#[path = "../src/error.rs"]
pub mod error;
#[path = "../src/http1/mod.rs"]
pub mod http1;
pub mod messages;
#[path = "../src/resources/mod.rs"]
pub mod resources;
pub mod second_opinion;

use bytes::Bytes;
use dialect::DialectId;

/// Every dialect reads every input.
pub const DIALECTS: [DialectId; 2] = [DialectId::OpenAiChat, DialectId::Anthropic];

/// The input in pieces: whole, byte by byte, and cut at places that follow from the input itself, so that
/// plain files serve as seeds.
pub fn chunkings(input: &Bytes) -> [Vec<Bytes>; 3] {
    let bytes = (0..input.len()).map(|at| input.slice(at..at + 1)).collect();
    let mut state = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut pieces = Vec::new();
    let mut rest = input.clone();
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = 1 + (state >> 33) as usize % 48;
        pieces.push(rest.split_to(length.min(rest.len())));
    }
    [vec![input.clone()], bytes, pieces]
}

/// Entries that need more than one call.
pub mod fuzzing {
    use std::path::Path;

    use crate::config::Config;
    use crate::document::{Document, Format, decode};
    use crate::resources;

    /// Reads a text as a bootstrap file in every format, and as a resources file. Every variable named
    /// `V…` is set.
    pub fn config(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let file = Path::new("fuzz.yaml");
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            let Ok(document) = Document::read(text, format, file) else { continue };
            if let Some(config) = decode::<Config>(&document.value).value {
                config.problems();
                config.dormant();
            }
        }
        let env = |name: &str| name.starts_with('V').then(|| format!("value of {name}"));
        match resources::file::load(text, file, &env, 1) {
            Ok(snapshot) => drop(snapshot.dormant()),
            Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
        }
    }

    /// What a file holds can be written as a file again, and that one reads back as the same.
    pub fn export(data: &[u8]) {
        use resources::file::write::{Secrets, write};
        let Ok(text) = std::str::from_utf8(data) else { return };
        let env = |name: &str| name.starts_with('V').then(|| format!("value of {name}"));
        let Ok(read) = resources::file::read(text, Path::new("fuzz.yaml"), &env) else { return };
        for secrets in [Secrets::Named, Secrets::Revealed] {
            let written = write(&read, "of a fuzzer", secrets);
            let faults = written.check(&read);
            assert!(faults.is_empty(), "{faults:?}\n{}", written.text);
        }
    }
}
