//! What the name of a model tells about it.

/// A model, as far as requests are written differently for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// Generation in tenths: 25 for Gemini 2.5. None where the name does not tell.
    generation: Option<u32>,
    pub pro: bool,
    pub lite: bool,
}

impl Model {
    pub fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or_default();
        let rest = name.strip_prefix("gemini-");
        let generation = rest.and_then(generation);
        let is = |word: &str| name.split('-').any(|part| part == word);
        Model { generation, pro: is("pro"), lite: is("lite") }
    }

    /// Is it known to be of this generation, in tenths, or a later one?
    pub fn is_from(self, tenths: u32) -> bool {
        self.generation.is_some_and(|generation| generation >= tenths)
    }

    /// Is it known to be older than this generation?
    pub fn is_before(self, tenths: u32) -> bool {
        self.generation.is_some_and(|generation| generation < tenths)
    }
}

/// `gemini-flash-latest` and its like follow the newest generation.
fn generation(rest: &str) -> Option<u32> {
    let number = rest.split('-').next()?;
    let mut digits = number.splitn(2, '.').map(|part| part.parse::<u32>().ok().filter(|part| *part < 100));
    match (digits.next()?, digits.next()) {
        (Some(major), None) => Some(major * 10),
        (Some(major), Some(Some(minor))) => Some(major * 10 + minor.min(9)),
        _ => rest.ends_with("-latest").then_some(LATEST),
    }
}

const LATEST: u32 = 30;
