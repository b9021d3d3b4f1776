//! A request body as a tree, read with the vendor's own words for what is wrong with it.
//!
//! A [`Node`] is a value and its place in the body; whatever it does not find as it must be becomes a refusal in
//! the words of its [`Voice`], which names the place. `null` counts as absent, as it does with every vendor.

use serde_json::{Map, Value};

use super::call::Refusal;

/// One value of a body.
#[derive(Clone, Copy)]
pub(super) struct Node<'v, 'p> {
    pub(super) value: &'v Value,
    place: Place<'p>,
    voice: &'static dyn Voice,
}

#[derive(Clone, Copy)]
struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Body,
    Member(&'p str),
    Index(usize),
}

/// How a vendor says that a request is wrong.
pub(super) trait Voice: Sync {
    /// The spelling of places.
    fn path(&self, steps: &[PathStep]) -> String;
    /// A member that must be there is not; `at` is where it would stand.
    fn missing(&self, at: &str) -> Refusal;
    /// A member nobody knows, in the object at `parent`.
    fn unknown(&self, parent: &str, at: &str, name: &str) -> Refusal;
    /// A value of the wrong type.
    fn mistyped(&self, at: &str, wanted: &str, found: &Value) -> Refusal;
    /// A word that is none of those allowed.
    fn unlisted(&self, at: &str, found: &str, allowed: &[&str]) -> Refusal;
    /// Whether members may also be spelt in snake case, as protocol buffers allow.
    fn takes_snake_case(&self) -> bool {
        false
    }
}

/// One step of a path as a [`Voice`] spells it.
pub(super) enum PathStep<'p> {
    Member(&'p str),
    Index(usize),
}

impl<'v, 'p> Node<'v, 'p> {
    pub(super) fn body(value: &'v Value, voice: &'static dyn Voice) -> Node<'v, 'static> {
        Node { value, place: Place { parent: None, step: Step::Body }, voice }
    }

    pub(super) fn path(&self) -> String {
        self.voice.path(&self.steps(None))
    }

    /// The place of a member, there or not.
    pub(super) fn path_of(&self, name: &str) -> String {
        self.voice.path(&self.steps(Some(name)))
    }

    /// The member, unless it is absent or null.
    pub(super) fn get<'s>(&'s self, name: &'s str) -> Option<Node<'v, 's>> {
        let members = self.value.as_object()?;
        let snake = || self.voice.takes_snake_case().then(|| members.get(&snake_case(name))).flatten();
        let value = members.get(name).or_else(snake).filter(|value| !value.is_null())?;
        Some(Node {
            value,
            place: Place { parent: Some(&self.place), step: Step::Member(name) },
            voice: self.voice,
        })
    }

    pub(super) fn need<'s>(&'s self, name: &'s str) -> Result<Node<'v, 's>, Refusal> {
        self.get(name).ok_or_else(|| self.voice.missing(&self.path_of(name)))
    }

    pub(super) fn object(&self) -> Result<&'v Map<String, Value>, Refusal> {
        self.value.as_object().ok_or_else(|| self.mistyped("an object"))
    }

    pub(super) fn text(&self) -> Result<&'v str, Refusal> {
        self.value.as_str().ok_or_else(|| self.mistyped("a string"))
    }

    pub(super) fn count(&self) -> Result<u64, Refusal> {
        self.value.as_u64().ok_or_else(|| self.mistyped("an integer"))
    }

    pub(super) fn number(&self) -> Result<f64, Refusal> {
        self.value.as_f64().ok_or_else(|| self.mistyped("a number"))
    }

    pub(super) fn flag(&self) -> Result<bool, Refusal> {
        self.value.as_bool().ok_or_else(|| self.mistyped("a boolean"))
    }

    pub(super) fn items<'s>(&'s self) -> Result<impl ExactSizeIterator<Item = Node<'v, 's>> + 's, Refusal> {
        let items = self.value.as_array().ok_or_else(|| self.mistyped("an array"))?;
        Ok(items.iter().enumerate().map(move |(index, value)| Node {
            value,
            place: Place { parent: Some(&self.place), step: Step::Index(index) },
            voice: self.voice,
        }))
    }

    /// The items of a member; none where there is no such member.
    pub(super) fn each(
        &self,
        name: &str,
        mut visit: impl FnMut(Node) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        match self.get(name) {
            Some(list) => list.items()?.try_for_each(&mut visit),
            None => Ok(()),
        }
    }

    /// The text of a member, if it is there.
    pub(super) fn text_of(&self, name: &str) -> Result<Option<&'v str>, Refusal> {
        self.get(name).map(|member| member.text()).transpose()
    }

    pub(super) fn flag_of(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.get(name).map(|member| member.flag()).transpose()
    }

    pub(super) fn count_of(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.get(name).map(|member| member.count()).transpose()
    }

    /// Refuses an object with a member that is none of these.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        let stranger = self.object()?.keys().find(|name| !self.is_one(name, names));
        stranger.map_or(Ok(()), |name| Err(self.unknown(name)))
    }

    /// The word, which must be one of these.
    pub(super) fn word(&self, allowed: &[&str]) -> Result<&'v str, Refusal> {
        let word = self.text()?;
        match allowed.contains(&word) {
            true => Ok(word),
            false => Err(self.voice.unlisted(&self.path(), word, allowed)),
        }
    }

    pub(super) fn unknown(&self, name: &str) -> Refusal {
        self.voice.unknown(&self.path(), &self.path_of(name), name)
    }

    pub(super) fn mistyped(&self, wanted: &str) -> Refusal {
        self.voice.mistyped(&self.path(), wanted, self.value)
    }

    fn is_one(&self, name: &str, names: &[&str]) -> bool {
        names.contains(&name)
            || (self.voice.takes_snake_case()
                && name.contains('_')
                && names.contains(&camel_case(name).as_str()))
    }

    fn steps<'s>(&'s self, member: Option<&'s str>) -> Vec<PathStep<'s>> {
        let mut steps: Vec<PathStep> = member.map(PathStep::Member).into_iter().collect();
        let mut place = Some(&self.place);
        while let Some(Place { parent, step }) = place {
            match step {
                Step::Body => {}
                Step::Member(name) => steps.push(PathStep::Member(name)),
                Step::Index(index) => steps.push(PathStep::Index(*index)),
            }
            place = *parent;
        }
        steps.reverse();
        steps
    }
}

/// `messages[0].content`, as OpenAI and Google spell places.
pub(super) fn bracketed(steps: &[PathStep]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            PathStep::Member(name) if path.is_empty() => path.push_str(name),
            PathStep::Member(name) => path.extend([".", name]),
            PathStep::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// `messages.0.content`, as Anthropic and AWS spell places.
pub(super) fn dotted(steps: &[PathStep]) -> String {
    let names = steps.iter().map(|step| match step {
        PathStep::Member(name) => (*name).to_owned(),
        PathStep::Index(index) => index.to_string(),
    });
    names.collect::<Vec<_>>().join(".")
}

/// What a value is, in a sentence: `an object`.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (initial, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        camel + &initial.to_ascii_uppercase() + rest
    })
}

/// Characters of a text, which the prompt's tokens are estimated from.
pub(super) fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}
