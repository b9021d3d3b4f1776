//! A request for the provider.
//!
//! Marks of what to cache are written where the request has them. Marks that the gateway itself would set have their
//! place in [`arrange`], after which nothing changes any more.

use super::format::Form;
use super::media;
use super::model::Model;
use super::thinking::{Obstacles, Plan};
use super::write_blocks::{Goes, write};
use super::write_messages::Conversation;
use super::write_tools::Tools;
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Format, Losses, Part, Request, Sampling};
use crate::dialect::codec::Manner;
use crate::dialect::json::{Array, Joined, Object, Say};
use crate::error::{Error, Result};

/// Writes a request.
///
/// # Errors
/// `BadRequest`: nothing is left to answer, or a document is of a type that Claude does not read.
pub fn write_request(request: &Request<'_>, manner: &Manner<'_>, losses: &mut Losses) -> Result<Vec<u8>> {
    media::check(request)?;
    let model = Model::named(manner.model);
    let it = arrange(request, model, losses);
    if it.conversation.messages.is_empty() {
        return Err(Error::bad_request("there is no message with content that the model could answer"));
    }
    let mut out = Vec::with_capacity(request.room());
    let mut object = Object::new(&mut out);
    match manner.quirks.anthropic_version {
        Some(version) => object.text("anthropic_version", version),
        None => object.text("model", manner.model),
    };
    object.value("max_tokens", it.plan.max_tokens);
    object.value_if("stream", request.stream.then_some(true));
    write_system(&mut object, &it, losses);
    it.conversation.write_messages(object.member("messages"), losses);
    it.tools.write(&mut object);
    let takes = Takes { refuses: manner.quirks.refuses };
    if it.plan.thinking.is_some() && takes.member("thinking", losses) {
        it.plan.write(&mut object);
    }
    if it.has_output_config() && takes.member("output_config", losses) {
        object.object("output_config", |config| {
            config.text_if("effort", it.plan.effort);
            it.form.write(config);
        });
    }
    write_sampling(&mut object, &it.sampling(request, model, losses), takes, losses);
    write_stop(&mut object, request, takes, losses);
    if let Some(user) = request.user.as_deref().filter(|_| takes.member("metadata", losses)) {
        object.object("metadata", |metadata| {
            metadata.text("user_id", user);
        });
    }
    write_tier(&mut object, request, takes, losses);
    if request.origin == DialectId::Anthropic {
        for member in &request.rest {
            object.raw_of(&member.name, member.value);
        }
    }
    drop(object);
    Ok(out)
}

/// A request, decided in all its parts.
struct Arranged<'r, 'a> {
    conversation: Conversation<'r, 'a>,
    tools: Tools<'r, 'a>,
    form: Form<'r>,
    plan: Plan,
}

fn arrange<'r, 'a>(request: &'r Request<'a>, model: Model, losses: &mut Losses) -> Arranged<'r, 'a> {
    let conversation = Conversation::new(request, model, losses);
    let mut tools = Tools::new(request, model, losses);
    let form = Form::new(request, model, &tools);
    if let (Form::Tool(schema), Some(Format::Schema { description, .. })) = (&form, &request.format) {
        tools.answer_with(schema, description.as_deref());
    }
    let obstacles = Obstacles {
        forced: tools.is_forced(),
        lacks_thoughts: conversation.lacks_thoughts(),
        prefilled: conversation.is_prefilled(),
    };
    let plan = Plan::new(request, model, obstacles, losses);
    Arranged { conversation, tools, form, plan }
}

/// One text where that says all, else blocks.
fn write_system<'w>(object: &mut Object<'_>, it: &'w Arranged<'_, '_>, losses: &mut Losses) {
    let words = it.form.words();
    let turns = &it.conversation.system;
    if turns.is_empty() && words.is_none() {
        return;
    }
    let lone = |parts: &'w Vec<&Part<'_>>| match parts.as_slice() {
        [Part { content: Content::Text(text), cache: None }] => Some(text as &dyn Say),
        _ => None,
    };
    if let Some(mut texts) = turns.iter().map(lone).collect::<Option<Vec<&dyn Say>>>() {
        texts.extend(words.as_ref().map(|words| words as &dyn Say));
        object.text("system", &Joined::new(&texts, "\n\n"));
        return;
    }
    let mut array = Array::new(object.member("system"));
    for part in turns.iter().flatten() {
        write(array.element(), part, Goes::Out { own: true }, losses);
    }
    if let Some(words) = words {
        write(array.element(), &Content::Text(words.into()).into(), Goes::Out { own: true }, losses);
    }
}

/// What a vendor behind this dialect takes of it.
#[derive(Clone, Copy)]
struct Takes {
    refuses: &'static [&'static str],
}

impl Takes {
    /// May a member be written? One that may not is named.
    fn member(self, name: &'static str, losses: &mut Losses) -> bool {
        let refused = self.refuses.contains(&name);
        if refused {
            losses.drop(name);
        }
        !refused
    }
}

impl Arranged<'_, '_> {
    fn has_output_config(&self) -> bool {
        self.plan.effort.is_some() || matches!(self.form, Form::Native(_))
    }

    /// What the model refuses is left out: all but the defaults since 4.7; temperature and `top_k` while it thinks;
    /// temperature with `top_p` since 4.1. Defaults are left out in silence.
    fn sampling(&self, request: &Request<'_>, model: Model, losses: &mut Losses) -> Sampling {
        let asked = request.sampling;
        if request.origin == DialectId::Anthropic {
            return asked;
        }
        let mut it = asked;
        it.temperature = it.temperature.map(|temperature| temperature.clamp(0.0, 1.0));
        fit_sampling(&mut it, model.takes_sampling(), self.plan.thinks(model));
        if it.temperature.is_some() && it.top_p.is_some() && !model.takes_both_samplings() {
            match it.temperature {
                Some(ALL) => it.temperature = None,
                _ => it.top_p = None,
            }
        }
        let is_lost =
            |asked: Option<f64>, kept: Option<f64>| kept.is_none() && asked.is_some_and(|it| it != ALL);
        let lost = [
            ("temperature", is_lost(asked.temperature, it.temperature)),
            ("top_p", is_lost(asked.top_p, it.top_p)),
            ("top_k", it.top_k != asked.top_k),
        ];
        lost.into_iter().filter(|(_, lost)| *lost).for_each(|(name, _)| losses.drop(name));
        it
    }
}

fn write_sampling(object: &mut Object<'_>, it: &Sampling, takes: Takes, losses: &mut Losses) {
    object.value_if("temperature", it.temperature.filter(|_| takes.member("temperature", losses)));
    object.value_if("top_p", it.top_p.filter(|_| takes.member("top_p", losses)));
    object.value_if("top_k", it.top_k.filter(|_| takes.member("top_k", losses)));
}

fn fit_sampling(it: &mut Sampling, is_taken: bool, thinks: bool) {
    if !is_taken || thinks {
        (it.temperature, it.top_k) = (None, None);
        it.top_p = it.top_p.filter(|top_p| is_taken && (0.95..=1.0).contains(top_p));
    }
}

/// Default of `temperature`, and what `top_p` is elsewhere where nothing is cut off.
const ALL: f64 = 1.0;

/// Texts of white space alone are refused.
fn write_stop(object: &mut Object<'_>, request: &Request<'_>, takes: Takes, losses: &mut Losses) {
    let said = || request.stop.iter().filter(|text| !text.trim().is_empty());
    if said().count() < request.stop.len() {
        losses.drop("stop");
    }
    if said().next().is_some() && takes.member("stop_sequences", losses) {
        object.array("stop_sequences", |array| said().for_each(|text| array.text(text)));
    }
}

fn write_tier(object: &mut Object<'_>, request: &Request<'_>, takes: Takes, losses: &mut Losses) {
    let Some(asked) = request.service_tier.as_deref() else { return };
    let tier = match asked {
        "auto" | "priority" => Some("auto"),
        "default" | "standard_only" => Some("standard_only"),
        _ => Some(asked).filter(|_| request.origin == DialectId::Anthropic),
    };
    match tier {
        None => losses.drop("service_tier"),
        Some(tier) if takes.member("service_tier", losses) => {
            object.text("service_tier", tier);
        }
        Some(_) => {}
    }
}
