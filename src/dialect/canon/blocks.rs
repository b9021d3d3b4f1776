//! Edges of blocks for dialects that send none: text, thoughts and calls come as bare pieces there, and a block ends
//! where another kind of piece begins.

use smallvec::SmallVec;

use super::event::{Block, Delta, Event};
use super::request::Part;
use super::response::{Citation, Finish, Seal};

/// The blocks of every choice of one stream.
#[derive(Debug, Default)]
pub struct Blocks {
    choices: SmallVec<[Choice; 1]>,
}

/// How events are told.
pub type Tell<'t> = dyn FnMut(Event<'_>) + 't;

#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    /// Number of the next block.
    next: u32,
    open: Option<(u32, Kind)>,
    finished: bool,
}

/// What tells one block from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Refusal,
    /// The number the dialect gave the call.
    Call(u64),
}

impl Blocks {
    /// A piece of text. Nothing is told of an empty one.
    pub fn text(&mut self, choice: u32, text: &str, tell: &mut Tell<'_>) {
        self.piece(choice, Kind::Text, Block::Text, text, tell);
    }

    /// A piece of what the model thinks.
    pub fn thought(&mut self, choice: u32, text: &str, tell: &mut Tell<'_>) {
        let block = Block::Thought { summary: false, id: None, redacted: false };
        self.piece(choice, Kind::Thought, block, text, tell);
    }

    /// A piece of a refusal.
    pub fn refusal(&mut self, choice: u32, text: &str, tell: &mut Tell<'_>) {
        self.piece(choice, Kind::Refusal, Block::Refusal, text, tell);
    }

    /// A call begins. `number` is the dialect's own for it; `block` must be a call.
    pub fn call(&mut self, choice: u32, number: u64, block: Block<'_>, tell: &mut Tell<'_>) {
        self.close(choice, tell);
        self.open(choice, Kind::Call(number), block, tell);
    }

    /// More arguments of a call. False if that call is not the one that is open: calls follow one another.
    #[must_use]
    pub fn arguments(&mut self, choice: u32, number: u64, text: &str, tell: &mut Tell<'_>) -> bool {
        let Some((block, Kind::Call(open))) = self.choice(choice).open else { return false };
        if open == number && !text.is_empty() {
            tell(Event::Delta { choice, block, delta: Delta::Text(text) });
        }
        open == number
    }

    /// The seal on the open block. Without one an empty thought is opened for it.
    pub fn seal(&mut self, choice: u32, seal: &Seal<'_>, tell: &mut Tell<'_>) {
        let open = self.choice(choice).open.map(|(block, _)| block);
        let block = open.unwrap_or_else(|| {
            let block = Block::Thought { summary: false, id: None, redacted: false };
            self.open(choice, Kind::Thought, block, tell)
        });
        tell(Event::Delta { choice, block, delta: Delta::Seal(seal) });
    }

    /// A source of the text so far. Without a text an empty one is opened for it.
    pub fn citation(&mut self, choice: u32, citation: &Citation<'_>, tell: &mut Tell<'_>) {
        let block = match self.choice(choice).open {
            Some((block, Kind::Text)) => block,
            _ => {
                self.close(choice, tell);
                self.open(choice, Kind::Text, Block::Text, tell)
            }
        };
        tell(Event::Delta { choice, block, delta: Delta::Citation(citation) });
    }

    /// A block that comes whole.
    pub fn whole(&mut self, choice: u32, part: &Part<'_>, tell: &mut Tell<'_>) {
        self.close(choice, tell);
        let state = self.choice(choice);
        let block = state.next;
        state.next += 1;
        tell(Event::Whole { choice, block, part });
    }

    /// Closes the open block, if there is one.
    pub fn close(&mut self, choice: u32, tell: &mut Tell<'_>) {
        if let Some((block, _)) = self.choice(choice).open.take() {
            tell(Event::Close { choice, block });
        }
    }

    /// The choice is complete. Told once, however often it is said.
    pub fn finish(&mut self, choice: u32, finish: Finish<'_>, tell: &mut Tell<'_>) {
        self.close(choice, tell);
        if !std::mem::replace(&mut self.choice(choice).finished, true) {
            tell(Event::Finish { choice, finish });
        }
    }

    /// Did every choice that began finish, and at least one begin?
    pub fn all_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    /// The choices that began and have not finished.
    pub fn unfinished(&self) -> SmallVec<[u32; 1]> {
        (0..).zip(&self.choices).filter(|(_, choice)| !choice.finished).map(|(number, _)| number).collect()
    }

    /// Has the choice opened a block, ever?
    pub fn has_begun(&self, choice: u32) -> bool {
        self.choices.get(choice as usize).is_some_and(|choice| choice.next > 0)
    }

    fn piece(&mut self, choice: u32, kind: Kind, block: Block<'_>, text: &str, tell: &mut Tell<'_>) {
        if text.is_empty() {
            return;
        }
        let block = match self.choice(choice).open {
            Some((open, same)) if same == kind => open,
            _ => {
                self.close(choice, tell);
                self.open(choice, kind, block, tell)
            }
        };
        tell(Event::Delta { choice, block, delta: Delta::Text(text) });
    }

    fn open(&mut self, choice: u32, kind: Kind, content: Block<'_>, tell: &mut Tell<'_>) -> u32 {
        let state = self.choice(choice);
        let block = state.next;
        state.next += 1;
        state.open = Some((block, kind));
        tell(Event::Open { choice, block, kind: content });
        block
    }

    /// Choices beyond the bound share the last place: no vendor gives so many, and a hostile number costs no memory.
    fn choice(&mut self, choice: u32) -> &mut Choice {
        let index = choice.min(MOST_CHOICES) as usize;
        while self.choices.len() <= index {
            self.choices.push(Choice::default());
        }
        &mut self.choices[index]
    }
}

/// OpenAI's bound on `n`.
const MOST_CHOICES: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(play: impl FnOnce(&mut Blocks, &mut Tell<'_>)) -> Vec<String> {
        let mut told = Vec::new();
        play(&mut Blocks::default(), &mut |event: Event<'_>| told.push(format!("{event:?}")));
        told
    }

    #[test]
    fn a_block_ends_where_another_kind_begins() {
        let told = told(|blocks, tell| {
            blocks.thought(0, "hm", tell);
            blocks.text(0, "", tell);
            blocks.text(0, "a", tell);
            blocks.text(0, "b", tell);
            blocks.call(0, 7, Block::ToolCall { id: "c", name: "f", custom: false }, tell);
            assert!(blocks.arguments(0, 7, "{}", tell));
            assert!(!blocks.arguments(0, 8, "{}", tell));
            blocks.finish(0, Finish::Stop, tell);
            blocks.finish(0, Finish::Length, tell);
            assert!(blocks.all_finished());
        });
        let kinds: Vec<&str> = told.iter().map(|event| event.split(' ').next().unwrap_or_default()).collect();
        let expected =
            ["Open", "Delta", "Close", "Open", "Delta", "Delta", "Close", "Open", "Delta", "Close", "Finish"];
        assert_eq!(kinds, expected);
        assert!(told[9].contains("block: 2"));
    }

    #[test]
    fn choices_have_blocks_of_their_own_and_a_hostile_number_costs_nothing() {
        let told = told(|blocks, tell| {
            blocks.text(0, "a", tell);
            blocks.text(1, "b", tell);
            blocks.text(0, "c", tell);
            blocks.text(u32::MAX, "d", tell);
            assert!(!blocks.all_finished());
            assert_eq!(blocks.choices.len(), 129);
        });
        assert_eq!(told.iter().filter(|event| event.starts_with("Open")).count(), 3);
    }
}
