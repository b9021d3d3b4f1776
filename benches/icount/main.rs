//! Runs one case a given number of times in a function that callgrind can tell from all else, so that it counts the
//! instructions of these runs alone: `icount CASE TIMES`. Without arguments it lists the cases. See `icount.sh`.
//!
//! Only what a request does on the processor is here. What whole requests cost, the kernel's work included, is
//! measured in `load-tests`.

mod codec;
mod connection;
mod dialects;
mod fleet;
mod house;
mod lookups;
mod memory;
mod samples;
mod translation;
mod walk;

use std::io::Write;
use std::process::ExitCode;

use aisix::dialect::DialectId::{Anthropic, Gemini, OpenAiChat, Responses};
use aisix::resources::FleetStrategy::{LeastOutstanding, PrefixAffinity};
use samples::{
    ALIAS, CHAT_ANSWER, CHAT_FRAME, GEMINI_FRAME, MESSAGES_ANSWER, MESSAGES_FRAME, MESSAGES_OPEN,
    MESSAGES_START,
};

/// As in the shipped program: a request allocates some dozen times.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One run of a case.
type Run = Box<dyn FnMut()>;

/// A case: its name, and what prepares it, which is not counted.
type Case = (&'static str, fn() -> Run);

const CASES: &[Case] = &[
    ("request_head_of_an_sdk", || codec::request_head(samples::chat().request_head)),
    ("request_head_bare", || codec::request_head(samples::BARE_HEAD.to_owned())),
    ("response_head_of_a_provider", || codec::response_head(samples::chat().answer_head)),
    ("chunked_body_1_frame", || codec::chunked_body(1)),
    ("chunked_body_64_frames", || codec::chunked_body(64)),
    ("identify_among_1000_keys", || lookups::identify(1_000, b"Bearer sk-known", true)),
    ("identify_among_100000_keys", || lookups::identify(100_000, b"Bearer sk-known", true)),
    ("refuse_an_unknown_key", || lookups::identify(1_000, b"Bearer sk-unknown", false)),
    ("find_model_among_1000", || lookups::find_model(1_000)),
    ("find_model_among_100000", || lookups::find_model(100_000)),
    ("peek_chat_300b", || dialects::peek(OpenAiChat, 300)),
    ("peek_chat_2k", || dialects::peek(OpenAiChat, 2 * 1024)),
    ("peek_chat_16k", || dialects::peek(OpenAiChat, 16 * 1024)),
    ("peek_messages_2k", || dialects::peek(Anthropic, 2 * 1024)),
    ("splice_chat_request_2k", || dialects::splice_request(OpenAiChat)),
    ("splice_messages_request_2k", || dialects::splice_request(Anthropic)),
    ("splice_chat_answer", || dialects::splice_answer(OpenAiChat, CHAT_ANSWER)),
    ("splice_messages_answer", || dialects::splice_answer(Anthropic, MESSAGES_ANSWER)),
    ("pass_chat_frame", || dialects::pass(OpenAiChat, CHAT_FRAME, 1, None)),
    ("pass_chat_frame_renamed", || dialects::pass(OpenAiChat, CHAT_FRAME, 1, Some(ALIAS))),
    ("pass_64_chat_frames_renamed", || dialects::pass(OpenAiChat, CHAT_FRAME, 64, Some(ALIAS))),
    ("pass_messages_frame", || dialects::pass(Anthropic, MESSAGES_FRAME, 1, None)),
    ("pass_messages_frame_renamed", || dialects::pass(Anthropic, MESSAGES_FRAME, 1, Some(ALIAS))),
    ("pass_64_messages_frames_renamed", || dialects::pass(Anthropic, MESSAGES_FRAME, 64, Some(ALIAS))),
    ("translate_chat_request_2k", || translation::request_of(OpenAiChat, Anthropic, 2 * 1024)),
    ("translate_chat_request_16k", || translation::request_of(OpenAiChat, Anthropic, 16 * 1024)),
    ("translate_messages_request_2k", || translation::request_of(Anthropic, OpenAiChat, 2 * 1024)),
    ("translate_chat_answer", || translation::answer(OpenAiChat, Anthropic, CHAT_ANSWER)),
    ("translate_messages_answer", || translation::answer(Anthropic, OpenAiChat, MESSAGES_ANSWER)),
    ("translate_chat_delta", || translation::delta(OpenAiChat, Anthropic, &[CHAT_FRAME], CHAT_FRAME)),
    ("translate_chat_delta_to_responses", || {
        translation::delta(OpenAiChat, Responses, &[CHAT_FRAME], CHAT_FRAME)
    }),
    ("translate_messages_delta", || {
        translation::delta(Anthropic, OpenAiChat, &[MESSAGES_START, MESSAGES_OPEN], MESSAGES_FRAME)
    }),
    ("translate_gemini_delta", || translation::delta(Gemini, OpenAiChat, &[GEMINI_FRAME], GEMINI_FRAME)),
    ("pick_of_8_least_outstanding", || fleet::pick(LeastOutstanding, 16 * 1024)),
    ("pick_of_8_by_prefix_2k", || fleet::pick(PrefixAffinity, 2 * 1024)),
    ("pick_of_8_by_prefix_16k", || fleet::pick(PrefixAffinity, 16 * 1024)),
    ("pick_of_8_by_prefix_128k", || fleet::pick(PrefixAffinity, 128 * 1024)),
    ("walk_chat", || walk::run(samples::chat())),
    ("walk_messages", || walk::run(samples::messages())),
    ("walk_chat_stream_of_64_frames", || walk::run(samples::chat_stream(64))),
    ("connection_chat", || connection::run(samples::chat())),
    ("connection_messages", || connection::run(samples::messages())),
    ("connection_chat_stream_of_64_frames", || connection::run(samples::chat_stream(64))),
];

fn main() -> ExitCode {
    // Cargo adds flags of its own.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [name, times] = arguments.as_slice() else {
        return list();
    };
    let case = CASES.iter().find(|(known, _)| known == name);
    let (Some((_, prepare)), Ok(times)) = (case, times.parse::<u64>()) else {
        return ExitCode::FAILURE;
    };
    let mut run = prepare();
    // What is made when it is first needed is made here.
    for _ in 0..WARM_UP {
        run();
    }
    counted(&mut *run, times);
    ExitCode::SUCCESS
}

/// Callgrind looks for this name.
#[inline(never)]
fn counted(run: &mut dyn FnMut(), times: u64) {
    for _ in 0..times {
        run();
    }
}

fn list() -> ExitCode {
    let mut out = std::io::stdout().lock();
    for (name, _) in CASES {
        if writeln!(out, "{name}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

const WARM_UP: u32 = 20;
