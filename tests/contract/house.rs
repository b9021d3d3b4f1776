//! The rules of the house, held by reading `src` as text: who may know whom, where the outside world comes in,
//! how long things may be, and what comments may not hold.
//!
//! The tables here are the documentation; `docs/architecture.md` shows them and is compared with them.

pub mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use source::Source;

/// One room of the house.
pub struct Room {
    pub name: &'static str,
    pub owns: &'static str,
    /// The rooms it may know.
    pub imports: &'static [&'static str],
    /// What it must not reach for outside; `pingora_` stands for all of Pingora's crates.
    pub never: &'static [&'static str],
}

/// Every room, inner ones first. A room knows those it needs and no others.
pub static ROOMS: &[Room] = &[
    Room {
        name: "error",
        owns: "everything that can go wrong with a request, in one table",
        imports: &[],
        never: &["pingora_", "tokio", "http", "std::net"],
    },
    Room {
        name: "document",
        owns: "settings as text: reading with positions, decoding strictly, saying what is wrong",
        imports: &[],
        never: &["pingora_", "tokio", "std::env"],
    },
    Room {
        name: "http1",
        owns: "HTTP/1.1 messages as bytes: heads, and where bodies end",
        imports: &[],
        never: &["pingora_", "tokio", "std::time", "std::net", "std::fs", "std::env", "std::io"],
    },
    Room {
        name: "life",
        owns: "serving, draining, done; the probes",
        imports: &[],
        never: &["pingora_", "http", "std::net"],
    },
    Room {
        name: "dialect",
        owns: "what bytes mean",
        imports: &["error"],
        never: &["pingora_", "tokio", "std::time", "std::net", "std::fs", "std::env", "std::io"],
    },
    Room {
        name: "config",
        owns: "how this process runs",
        imports: &["document"],
        never: &["pingora_", "tokio"],
    },
    Room {
        name: "resources",
        owns: "what operators define: rows, their checks, snapshots",
        imports: &["document"],
        never: &["pingora_", "tokio", "std::fs", "std::env"],
    },
    Room {
        name: "store",
        owns: "where resources come from",
        imports: &["document", "resources"],
        never: &["pingora_"],
    },
    Room {
        name: "routing",
        owns: "from an alias to the targets that may answer it",
        imports: &["error", "resources"],
        never: &["pingora_", "tokio", "std::net"],
    },
    Room {
        name: "policy",
        owns: "who the caller is, what it may use, what it costs",
        imports: &["dialect", "error", "resources", "routing"],
        never: &["pingora_", "tokio"],
    },
    Room {
        name: "upstream",
        owns: "reaching a provider: where it is, one try, the tries",
        imports: &["dialect", "document", "error", "http1", "resources", "routing", "wire"],
        never: &["std::fs", "std::env"],
    },
    Room {
        name: "telemetry",
        owns: "telling the world: one record per request, and nothing around it",
        imports: &[],
        never: &["pingora_", "tokio", "std::env"],
    },
    Room {
        name: "wire",
        owns: "reading from and writing to connections, for both sides",
        imports: &[],
        never: &["std::fs", "std::env"],
    },
    Room {
        name: "proxy",
        owns: "the doors, and the one walk through the house",
        imports: &[
            "dialect",
            "error",
            "http1",
            "life",
            "policy",
            "resources",
            "routing",
            "telemetry",
            "upstream",
            "wire",
        ],
        never: &["std::env"],
    },
    Room {
        name: "admin",
        owns: "the operators' doors: the Admin API and its pages, probes, metrics, status",
        imports: &["document", "life", "resources", "routing", "store", "telemetry"],
        never: &["std::fs", "std::env"],
    },
    Room {
        name: "sim",
        owns: "a simulated provider, on the other side of the wire",
        imports: &[],
        never: &["pingora_", "std::fs", "std::env"],
    },
    Room {
        name: "gateway",
        owns: "wiring: a configuration in, a running gateway out",
        imports: &[
            "admin",
            "config",
            "document",
            "life",
            "proxy",
            "resources",
            "sim",
            "store",
            "telemetry",
            "upstream",
        ],
        never: &[],
    },
    Room {
        name: "cli",
        owns: "the command line",
        imports: &["config", "document", "gateway", "http1", "resources", "sim", "store"],
        never: &["pingora_"],
    },
];

/// What comes from outside, and the only places that may name it.
pub static OUTSIDE: &[(&str, &[&str])] = &[
    ("etcd_client", &["store/etcd/"]),
    ("pingora_core", &["admin/", "gateway/", "proxy/doors/", "upstream/transport/", "wire/"]),
    ("pingora_error", &["proxy/doors/", "upstream/transport/"]),
    ("pingora_http", &["proxy/doors/", "upstream/transport/"]),
    ("pingora_proxy", &["gateway/", "proxy/doors/"]),
    ("prometheus", &["telemetry/"]),
    ("rusqlite", &["store/sqlite/"]),
    ("rustls", &["lib.rs", "proxy/doors/tls.rs", "upstream/transport/tls.rs"]),
    ("clap", &["cli/", "sim/"]),
    ("clap_complete", &["cli/"]),
];

/// Longest function and longest file, in lines of production code.
const LONGEST_FUNCTION: usize = 80;
const LONGEST_FILE: usize = 600;

/// What may be longer, and why.
const LONGER: &[(&str, &str)] = &[];

fn sources() -> Vec<Source> {
    source::all(&root().join("src"))
}

/// The folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn every_room_is_in_the_table_and_in_the_sources() {
    let there: BTreeSet<String> = sources().iter().map(|source| source.room().to_owned()).collect();
    let tabled = ROOMS.iter().map(|room| room.name.to_owned());
    let expected: BTreeSet<String> = tabled.chain(["lib".to_owned(), "main".to_owned()]).collect();
    assert_eq!(there, expected);
}

#[test]
fn a_room_imports_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = ROOMS.iter().find(|room| room.name == source.room()) else { continue };
        for name in named_rooms(&source) {
            let is_room = ROOMS.iter().any(|room| room.name == name);
            if is_room && name != room.name && !room.imports.contains(&name.as_str()) {
                wrong.push(format!("{} imports {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rooms a file names: by `crate::`, or by `super::` in a room's outermost file.
fn named_rooms(source: &Source) -> Vec<String> {
    let mut names = source.paths_below("crate");
    if source.module().matches('/').count() == 1 {
        names.extend(source.paths_below("super"));
    }
    names
}

#[test]
fn the_table_allows_nothing_that_nobody_uses() {
    let sources = sources();
    let mut unused = Vec::new();
    for room in ROOMS {
        let of_room: Vec<_> = sources.iter().filter(|source| source.room() == room.name).collect();
        let named: BTreeSet<String> = of_room.iter().flat_map(|source| named_rooms(source)).collect();
        let spare = room.imports.iter().filter(|import| !named.contains(**import));
        unused.extend(spare.map(|import| format!("{} no longer imports {import}", room.name)));
    }
    assert!(unused.is_empty(), "take it out of the table:\n{}", unused.join("\n"));
}

#[test]
fn no_room_reaches_for_what_is_forbidden_to_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = ROOMS.iter().find(|room| room.name == source.room()) else { continue };
        let reached = room.never.iter().filter(|outside| names(&source, outside));
        wrong.extend(reached.map(|outside| format!("{} reaches for {outside}", source.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_outside_world_comes_in_at_few_places() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (name, places) in OUTSIDE {
            if names(&source, name) && !places.iter().any(|place| source.path.starts_with(place)) {
                wrong.push(format!("{} names {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Does a file name a crate, a family of crates (`pingora_`) or a module of `std`?
fn names(source: &Source, outside: &str) -> bool {
    if let Some(module) = outside.strip_prefix("std::") {
        return source.paths_below("std").iter().any(|name| name == module);
    }
    source.roots().iter().any(|root| root == outside || outside.ends_with('_') && root.starts_with(outside))
}

#[test]
fn a_function_fits_a_screen_and_a_file_is_one_thing() {
    let mut long = Vec::new();
    for source in sources() {
        if source.lines > LONGEST_FILE {
            long.push((source.path.clone(), source.lines));
        }
        for function in source.functions().iter().filter(|function| function.lines > LONGEST_FUNCTION) {
            long.push((format!("{}: {}", source.path, function.name), function.lines));
        }
    }
    long.retain(|(what, _)| !LONGER.iter().any(|(excused, _)| excused == what));
    assert!(long.is_empty(), "too long: {long:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.comments.trim_start().starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert!(silent.is_empty(), "no //! paragraph: {silent:#?}");
}

#[test]
fn comments_tell_no_history() {
    let reference = Regex::new(r"(^|[\s(])#\d+\b|/(issues|pull)/\d+").expect("a pattern");
    for source in sources() {
        for (index, line) in source.comments.lines().enumerate() {
            assert!(!reference.is_match(line), "{}:{}: {}", source.path, index + 1, line.trim());
        }
    }
}

/// The tables as `docs/architecture.md` shows them.
pub fn page() -> String {
    let list = |names: &[&str]| match names {
        [] => "–".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    };
    let mut page = String::from("| room | owns | may import | never reaches for |\n|---|---|---|---|\n");
    for room in ROOMS {
        let never: Vec<String> =
            room.never.iter().map(|name| name.replace("pingora_", "pingora_*")).collect();
        let never: Vec<&str> = never.iter().map(String::as_str).collect();
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            room.name,
            room.owns,
            list(room.imports),
            list(&never)
        ));
    }
    page.push_str("\n| from outside | only in |\n|---|---|\n");
    for (name, places) in OUTSIDE {
        page.push_str(&format!("| `{name}` | {} |\n", list(places)));
    }
    page
}
