//! What becomes of features when the target speaks Converse.

use crate::dialect::canon::Support;
use crate::dialect::canon::Verdict::{Approximated, Dropped, Refused};
use crate::dialect::canon::feature::Feature::*;
use crate::dialect::canon::feature::line;

pub const TABLE: &[Support] = &[
    line(DeveloperRole, Approximated("as instructions of the system")),
    line(ParticipantName, Dropped("there is no such member")),
    line(ImageUrl, Approximated("only `s3://` addresses; another one is refused, since nothing is fetched")),
    line(
        DocumentUrl,
        Approximated("only `s3://` addresses; another one is refused, since nothing is fetched"),
    ),
    line(
        DocumentBase64,
        Approximated("a message of documents alone gets a short text, which Bedrock demands"),
    ),
    line(FileId, Approximated("only `s3://` addresses; files at another provider are refused")),
    line(CustomTools, Dropped("tools are functions")),
    line(HostedTools, Dropped("they run at another provider")),
    line(StrictTools, Approximated("for models that Bedrock constrains; dropped for others")),
    line(
        ToolChoiceNone,
        Approximated(
            "the tools are left out; they stay where the conversation holds calls, which Bedrock demands",
        ),
    ),
    line(ToolChoiceAny, Approximated("dropped for models that cannot be made to call a tool")),
    line(ToolChoiceOne, Approximated("that tool alone is declared where a model takes no name")),
    line(ToolChoiceAmong, Approximated("the other tools are not declared")),
    line(ParallelToolsOff, Approximated("for Claude; dropped for others")),
    line(ToolResultFailed, Approximated("for Claude and Nova; dropped for others")),
    line(Thoughts, Approximated("signed thoughts of Claude go back to Claude; others are dropped")),
    line(CacheMarks, Approximated("for Claude and Nova; dropped for others")),
    line(
        Temperature,
        Approximated("at most 1; dropped where the model refuses it, as Claude does while it thinks"),
    ),
    line(TopP, Approximated("dropped where the model refuses it, as Claude does while it thinks")),
    line(TopK, Approximated("for Claude, Nova and Cohere; dropped for others")),
    line(Seed, Dropped("there is no such member")),
    line(Penalties, Dropped("there are no such members")),
    line(Choices, Refused("ask once for each answer")),
    line(Logprobs, Dropped("there is no such member")),
    line(LogitBias, Dropped("there is no such member")),
    line(JsonMode, Approximated("the model is told to")),
    line(
        JsonSchema,
        Approximated(
            "closed schemas by `outputConfig` for models that Bedrock constrains, else by way of a tool",
        ),
    ),
    line(
        Reasoning,
        Approximated(
            "by each vendor's own member; dropped for models without one, and where a tool must be called",
        ),
    ),
    line(Verbosity, Dropped("there is no such member")),
    line(User, Dropped("there is no such member")),
    line(Metadata, Approximated("16 texts of Bedrock's characters, for its log of invocations")),
    line(ServiceTier, Approximated("`default`, `priority`, `flex` and `reserved`")),
    line(CacheKey, Dropped("the prompt cache is asked for by marks")),
    line(Store, Dropped("nothing is stored")),
    line(Previous, Refused("send the conversation whole")),
];
