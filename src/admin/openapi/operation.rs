//! One operation of the document, as what differs between operations.

use serde_json::{Map, Value, json};

/// An operation in the making.
#[derive(Clone, Debug)]
pub struct Operation {
    pub id: String,
    pub tag: String,
    pub summary: String,
    /// More than the summary says; may be empty.
    pub more: String,
    pub parameters: Vec<Value>,
    /// Schema of the body, and examples of one.
    pub body: Option<(Value, Vec<Value>)>,
    /// Answers of success: status, words, content type, schema.
    pub answers: Vec<Answer>,
    /// Statuses of refusals.
    pub errors: Vec<u16>,
    pub open: bool,
    pub former: bool,
}

/// An answer that is no error.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub about: &'static str,
    pub content: Option<(&'static str, Value)>,
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Answer {
    /// JSON with status 200.
    pub fn json(about: &'static str, schema: Value) -> Self {
        Answer { status: 200, about, content: Some(("application/json", schema)), headers: Vec::new() }
    }
}

impl Operation {
    pub fn new(id: impl Into<String>, tag: &str, summary: impl Into<String>, answer: Answer) -> Self {
        Operation {
            id: id.into(),
            tag: tag.to_owned(),
            summary: summary.into(),
            more: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: vec![answer],
            errors: vec![400, 401, 403, 409, 500],
            open: false,
            former: false,
        }
    }

    #[must_use]
    pub fn more(mut self, more: impl Into<String>) -> Self {
        self.more = more.into();
        self
    }

    #[must_use]
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// With a body, which may be too large or too late.
    #[must_use]
    pub fn body(mut self, schema: Value, examples: Vec<Value>) -> Self {
        self.body = Some((schema, examples));
        self.errors.extend([408, 413]);
        self
    }

    #[must_use]
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    #[must_use]
    pub fn error(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.errors.extend(statuses);
        self
    }

    /// For everybody: nothing is refused.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.errors.clear();
        self.open = true;
        self
    }

    /// As the document has it; what several operations have goes into `shared`.
    pub fn written(&self, shared: &mut Shared) -> Value {
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "responses": self.responses(shared),
        });
        if !self.more.is_empty() {
            operation["description"] = self.more.clone().into();
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.iter().map(|one| shared.parameter(one)).collect();
        }
        if let Some((schema, examples)) = &self.body {
            let mut content = json!({"schema": schema});
            if let Some(example) = examples.first() {
                content["example"] = example.clone();
            }
            operation["requestBody"] = json!({"required": true, "content": {"application/json": content}});
        }
        if self.open {
            operation["security"] = json!([]);
        }
        if self.former {
            operation["deprecated"] = true.into();
        }
        operation
    }

    fn responses(&self, shared: &mut Shared) -> Map<String, Value> {
        let mut statuses = self.errors.clone();
        statuses.sort_unstable();
        let errors = statuses.into_iter().map(|status| (status.to_string(), shared.refusal(status)));
        let answers = self.answers.iter().map(|answer| (answer.status.to_string(), answer.written()));
        answers.chain(errors).collect()
    }
}

impl Answer {
    fn written(&self) -> Value {
        let mut answer = json!({"description": self.about});
        if let Some((content_type, schema)) = &self.content {
            answer["content"] = json!({*content_type: {"schema": schema}});
        }
        if !self.headers.is_empty() {
            let header = |(name, about): &(&str, &str)| {
                ((*name).to_owned(), json!({"description": about, "schema": {"type": "string"}}))
            };
            answer["headers"] = self.headers.iter().map(header).collect::<Map<_, _>>().into();
        }
        answer
    }
}

/// Parameters and refusals, each written once.
#[derive(Default)]
pub struct Shared {
    pub parameters: Map<String, Value>,
    pub responses: Map<String, Value>,
}

impl Shared {
    /// A parameter by reference. Of two that differ and are called alike, the second stays where it is.
    fn parameter(&mut self, parameter: &Value) -> Value {
        let name = parameter["name"].as_str().unwrap_or_default();
        let there = self.parameters.entry(name).or_insert_with(|| parameter.clone());
        match there == parameter {
            true => json!({"$ref": format!("#/components/parameters/{name}")}),
            false => parameter.clone(),
        }
    }

    fn refusal(&mut self, status: u16) -> Value {
        let name = format!("Refused{status}");
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        let schema = json!({"$ref": "#/components/schemas/Error"});
        let content = json!({"application/json": {"schema": schema}});
        self.responses.insert(name, json!({"description": words(status), "content": content}));
        reference
    }
}

/// What a refusal means.
pub fn words(status: u16) -> &'static str {
    match status {
        400 => "The body or a parameter is wrong.",
        401 => "No admin key, or none that is known.",
        403 => "The key may only read, or there are no admin keys.",
        404 => "There is no such row.",
        405 => "The path does not take the method.",
        408 => "The body did not arrive in time.",
        409 => "Another row is in the way, or resources cannot be written here.",
        412 => "The row is not as it was read.",
        413 => "The body is larger than 4 MiB.",
        _ => "The store failed.",
    }
}

/// A parameter of the query.
pub fn query(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}

/// A switch of the query.
pub fn switch(name: &str, about: &str) -> Value {
    query(name, about, json!({"type": "boolean", "default": false}))
}

/// A part of the path.
pub fn place(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}
