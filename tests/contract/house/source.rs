//! Rust files as text: what is code, what is comment, what is test, where functions begin and end.
//!
//! A lexer, not a parser: it knows comments, literals and braces, which is all the rules of the house need.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// One file of production code.
#[derive(Debug)]
pub struct Source {
    /// Path below `src`, with `/`.
    pub path: String,
    /// The file with comments, literals and tests blanked out; every line is where it was.
    pub code: String,
    /// The file with everything but comments blanked out.
    pub comments: String,
    /// Lines that are not test code.
    pub lines: usize,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// From `fn` to the closing brace.
    pub lines: usize,
}

/// Every file of production code below a folder; files that only tests declare are left out.
pub fn all(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(root, root, &mut paths);
    let mut sources = Vec::new();
    let mut of_tests = HashSet::new();
    for path in paths {
        let text = fs::read_to_string(root.join(&path)).expect("a readable source file");
        let (source, test_modules) = Source::read(path, &text);
        of_tests.extend(test_modules.into_iter().map(|name| format!("{}/{name}", source.module())));
        sources.push(source);
    }
    sources.retain(|source| {
        let module = format!("/{}", source.module().trim_start_matches('/'));
        !of_tests.iter().any(|test| module == *test || module.starts_with(&format!("{test}/")))
    });
    sources
}

fn walk(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            walk(root, &path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root).expect("below the root");
            paths.push(below.to_str().expect("a plain name").to_owned());
        }
    }
    paths.sort();
}

impl Source {
    /// Reads one file, and the names of the modules that only its tests have.
    pub fn read(path: String, text: &str) -> (Self, Vec<String>) {
        let (mut code, comments) = split(text.as_bytes());
        let mut test_modules = Vec::new();
        let mut test_lines = 0;
        while let Some(start) = find(&code, TEST_ATTRIBUTE, 0) {
            let after = start + TEST_ATTRIBUTE.len();
            let item = item_end(&code, after);
            let declared = String::from_utf8_lossy(&code[after..item]).trim().to_owned();
            test_modules.extend(declared_module(&declared));
            test_lines += lines(&code[start..item]);
            blank(&mut code, start..item);
        }
        let total = text.lines().count();
        let code = String::from_utf8(code).expect("blanked code is ASCII");
        let comments = String::from_utf8_lossy(&comments).into_owned();
        (Source { path, code, comments, lines: total.saturating_sub(test_lines) }, test_modules)
    }

    /// Module path below the crate, with `/` in front of every part.
    pub fn module(&self) -> String {
        let stem = self.path.trim_end_matches(".rs");
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        if stem == "lib" || stem == "main" { String::new() } else { format!("/{stem}") }
    }

    /// The room: the first part of the path.
    pub fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// All functions with a body.
    pub fn functions(&self) -> Vec<Function> {
        let code = self.code.as_bytes();
        let mut functions = Vec::new();
        let mut at = 0;
        while let Some(start) = find(code, b"fn ", at) {
            at = start + 3;
            let name = identifier(code, at);
            let begins = start == 0 || !is_word(code[start - 1]);
            if !begins || name.is_empty() {
                continue;
            }
            let end = item_end(code, at);
            if code[..end].ends_with(b"}") {
                functions.push(Function { name, lines: lines(&code[start..end]) });
            }
        }
        functions
    }

    /// The names that paths begin with, those in groups included: `std` of `std::fs::read`.
    pub fn roots(&self) -> BTreeSet<String> {
        let mut roots = BTreeSet::new();
        for (end, _) in self.code.match_indices("::") {
            let before = &self.code[..end];
            let start = before.rfind(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let start = start.map_or(0, |at| at + 1);
            if start < end && !before[..start].ends_with("::") {
                roots.insert(before[start..].to_owned());
            }
        }
        roots
    }

    /// The names that follow `root::` in paths, those of `root::{a, b::c}` included.
    pub fn paths_below(&self, root: &str) -> Vec<String> {
        let code = self.code.as_bytes();
        let pattern = format!("{root}::");
        let mut names = Vec::new();
        let mut at = 0;
        while let Some(start) = find(code, pattern.as_bytes(), at) {
            at = start + pattern.len();
            let begins = start == 0 || !(is_word(code[start - 1]) || code[start - 1] == b':');
            if begins {
                names.extend(heads(code, at));
            }
        }
        names
    }
}

/// The first names of a path, or of every path of a braced group.
fn heads(code: &[u8], at: usize) -> Vec<String> {
    if code.get(at) != Some(&b'{') {
        return vec![identifier(code, at)];
    }
    let group = &code[at + 1..closing(code, at) - 1];
    let mut names = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (index, &byte) in group.iter().chain(b",").enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                let part = &group[from..index];
                let skip = part.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                names.push(identifier(part, skip));
                from = index + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The end of an item: its semicolon, or the brace that closes its body.
fn item_end(code: &[u8], from: usize) -> usize {
    let mut depth = 0;
    for (at, &byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            b'{' if depth == 0 => return closing(code, at),
            _ => {}
        }
    }
    code.len()
}

/// The place behind the brace that closes the one at `open`.
fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0;
    for (at, &byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// `mod x;` or `pub mod x;` declares a file of its own.
fn declared_module(item: &str) -> Option<String> {
    let rest = item.strip_suffix(';')?;
    let name = rest.strip_prefix("mod ").or_else(|| rest.split_once(" mod ").map(|(_, name)| name))?;
    Some(name.trim().to_owned())
}

/// The text twice: once with everything but code blanked, once with everything but comments.
fn split(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut code, mut comments) = (text.to_vec(), text.to_vec());
    let mut at = 0;
    while at < text.len() {
        let (end, kind) = token(text, at);
        match kind {
            Token::Code => blank(&mut comments, at..end),
            Token::Comment => blank(&mut code, at..end),
            Token::Literal => {
                blank(&mut code, at..end);
                blank(&mut comments, at..end);
            }
        }
        at = end;
    }
    code.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b' ');
    (code, comments)
}

enum Token {
    Code,
    Comment,
    Literal,
}

/// The token at `at`, and where it ends.
fn token(text: &[u8], at: usize) -> (usize, Token) {
    let rest = &text[at..];
    let word_before = at > 0 && is_word(text[at - 1]);
    if rest.starts_with(b"//") {
        return (find(text, b"\n", at).unwrap_or(text.len()), Token::Comment);
    }
    if rest.starts_with(b"/*") {
        return (find(text, b"*/", at + 2).map_or(text.len(), |end| end + 2), Token::Comment);
    }
    if let Some(end) = raw_string(rest).filter(|_| !word_before) {
        return (at + end, Token::Literal);
    }
    match rest {
        [b'"', ..] => (quoted(text, at, b'"'), Token::Literal),
        [b'\'', b'\\', ..] => (quoted(text, at, b'\''), Token::Literal),
        // A lifetime has no closing quote behind its first character.
        [b'\'', _, b'\'', ..] => (at + 3, Token::Literal),
        [b'\'', first, ..] if !first.is_ascii() => (quoted(text, at, b'\''), Token::Literal),
        _ => (at + 1, Token::Code),
    }
}

/// Length of a raw string such as `r#"…"#` or `br"…"` at the start of `rest`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = [b"br".as_slice(), b"cr", b"r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let hashes = rest[prefix.len()..].iter().take_while(|&&byte| byte == b'#').count();
    let open = prefix.len() + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    Some(find(rest, &end, open + 1).map_or(rest.len(), |at| at + end.len()))
}

fn quoted(text: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < text.len() && text[end] != quote {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(text.len())
}

fn blank(text: &mut [u8], range: Range<usize>) {
    text[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let found = text.get(from..)?.windows(needle.len()).position(|window| window == needle);
    found.map(|at| at + from)
}

fn identifier(code: &[u8], at: usize) -> String {
    let word = code.get(at..).unwrap_or_default().iter().take_while(|&&byte| is_word(byte));
    word.map(|&byte| char::from(byte)).collect()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn lines(code: &[u8]) -> usize {
    code.iter().filter(|&&byte| byte == b'\n').count() + 1
}

const TEST_ATTRIBUTE: &[u8] = b"#[cfg(test)]";

#[test]
fn literals_comments_and_tests_are_no_code() {
    let text = r##"
fn a<'l>(x: &'l str) -> char { // fn b() { crate::one
    let _ = ("crate::two {", r#"crate::three " {"#, '{', '\'', '"', b'{', 'é'); /* { */
    crate::four::x(crate::{five::{six, seven}, eight});
    std::time::now()
}
type F = fn(u8);
trait T { fn declared(&self); }
#[cfg(test)]
mod tests {
    fn c() { crate::nine() }
}
#[cfg(test)]
pub mod memory;
"##;
    let (source, test_modules) = Source::read("room/file.rs".into(), text);
    assert_eq!(source.paths_below("crate"), ["four", "five", "eight"]);
    assert_eq!(source.paths_below("std"), ["time"]);
    assert_eq!(source.roots().into_iter().collect::<Vec<_>>(), ["crate", "five", "std"]);
    assert_eq!(source.functions(), [Function { name: "a".into(), lines: 5 }]);
    assert_eq!(test_modules, ["memory"]);
    assert_eq!((source.room(), source.lines), ("room", text.lines().count() - 6));
    assert!(source.comments.contains("fn b()") && !source.comments.contains("two"));
}
