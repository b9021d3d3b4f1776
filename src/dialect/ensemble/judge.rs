//! The judge: one message holds the caller's request and the answers of the panel, without a name among them. Its answer
//! is the caller's, and tells what all have consumed.

use bytes::Bytes;

use crate::dialect::canon::{Content, Event, Request, Role, Turn};
use crate::dialect::codec::EventWriter;
use crate::dialect::text::beginning;
use crate::dialect::{DialectId, Usage};
use crate::error::{Error, Result};

/// What a judge is asked, and for whom.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The caller's request, in its dialect.
    dialect: DialectId,
    caller: Bytes,
    text: String,
    /// May the answer be kept for the caller to go on from?
    pub keeps: bool,
    /// What the panel has consumed.
    pub spent: Usage,
}

impl Judge {
    /// Fills the operator's template, or the one below, from the caller's request and the texts of the panel's answers.
    /// `caller` has been proved to be JSON.
    ///
    /// # Errors
    /// `BadRequest`: the request has not the form its dialect documents.
    pub fn new(
        template: Option<&str>,
        (dialect, caller): (DialectId, &Bytes),
        answers: &[String],
        keeps: bool,
        spent: Usage,
    ) -> Result<Self> {
        let request = dialect.codec().request(caller)?;
        let text = filled(template.unwrap_or(TEMPLATE), |name| match name {
            "original_request" => Some(original(&request)),
            "labeled_candidates" => Some(labelled(answers)),
            _ => None,
        });
        Ok(Judge { dialect, caller: caller.clone(), text, keeps, spent })
    }

    /// The request to a model with this id. What the caller says of the answer itself holds for the judge: its length,
    /// the texts that end it, its form.
    ///
    /// # Errors
    /// As [`Judge::new`].
    pub fn request(&self, model: &str, stream: bool) -> Result<Request<'_>> {
        let caller = self.dialect.codec().request(&self.caller)?;
        // Nobody's dialect in particular: what a target cannot do with it is left out.
        let mut question = Request::new(DialectId::OpenAiChat);
        question.turns.push(Turn::new(Role::User, vec![Content::Text(self.text.as_str().into()).into()]));
        question.max_tokens = caller.max_tokens;
        question.stop = caller.stop;
        question.format = caller.format;
        question.store = Some(false);
        question.stream = stream;
        question.sampling.temperature = Some(TEMPERATURE).filter(|_| !has_its_own_temperature(model));
        Ok(question)
    }
}

/// Tells, with a stream's own usage, what was consumed before it.
pub struct Adding {
    writer: Box<dyn EventWriter>,
    before: Usage,
    own: Usage,
    told: bool,
}

impl Adding {
    pub fn new(writer: Box<dyn EventWriter>, before: Usage) -> Self {
        Adding { writer, before, own: Usage::default(), told: false }
    }

    fn tell(&mut self, out: &mut Vec<u8>) {
        let mut sum = self.before;
        sum.add(&self.own);
        self.told = true;
        self.writer.write(&Event::Usage(&sum), out);
    }
}

impl EventWriter for Adding {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Usage(usage) => {
                self.own.merge(usage);
                return self.tell(out);
            }
            Event::End if !self.told => self.tell(out),
            _ => {}
        }
        self.writer.write(event, out);
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.writer.fail(error, out);
    }

    fn answer(&self) -> Option<&[u8]> {
        self.writer.answer()
    }
}

/// OpenAI's reasoning models refuse any temperature but their own (OpenAI guide "Reasoning models").
fn has_its_own_temperature(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| name.starts_with(family))
}

/// A template with its placeholders replaced. What is put in is not looked at again.
fn filled(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let named = after.split_once('}').and_then(|(name, tail)| Some((value(name)?, tail)));
        rest = match named {
            Some((text, tail)) => {
                out.push_str(&text);
                tail
            }
            None => {
                out.push('{');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// The conversation, a line for each turn, and what it holds besides words by its name.
fn original(request: &Request<'_>) -> String {
    let mut lines = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        let role = match turn.role {
            Role::System | Role::Developer => "System",
            Role::User => "User",
            Role::Assistant => "Assistant",
        };
        let said: Vec<String> = turn.parts.iter().filter_map(|part| told(&part.content)).collect();
        if !said.is_empty() {
            lines.push(format!("{role}: {}", said.join("\n")));
        }
    }
    lines.join("\n")
}

fn told(content: &Content<'_>) -> Option<String> {
    match content {
        Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => Some(text.to_string()),
        Content::Media(media) => Some(format!("[{:?}]", media.kind).to_ascii_lowercase()),
        Content::ToolCall(call) => Some(format!("[call of {}: {}]", call.name, &*call.arguments)),
        Content::ToolResult(result) => {
            let said: Vec<String> = result.parts.iter().filter_map(|part| told(&part.content)).collect();
            Some(format!("[result: {}{}]", said.join("\n"), result.json.unwrap_or_default()))
        }
        Content::Thought(_) | Content::Foreign(_) => None,
    }
}

/// The answers, numbered, each as far as the bound allows.
fn labelled(answers: &[String]) -> String {
    let blocks = (1..).zip(answers).map(|(number, answer)| format!("Answer {number}:\n{}", cut(answer)));
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn cut(answer: &str) -> String {
    match answer.len() <= LONGEST_ANSWER {
        true => answer.to_owned(),
        false => format!("{}…", beginning(answer, LONGEST_ANSWER)),
    }
}

/// Low, for the judge is to weigh and not to invent.
const TEMPERATURE: f64 = 0.2;
/// Bytes of one answer that the judge is shown.
const LONGEST_ANSWER: usize = 8 * 1024;
const TEMPLATE: &str = "\
You write the final answer to a request. Several independent answers to it are given below.

Use them as evidence, not as text to copy. Where they agree, the claim is more likely to be true; weigh that \
against the reasons they give. Where they contradict each other, decide by the stronger reasons. Leave out what none \
of them supports well.

Reply with the final answer only, in the language and the format that the request asks for. Never mention the \
answers below, how many there are, or any model.

The request:

{original_request}

The answers:

{labeled_candidates}
";
