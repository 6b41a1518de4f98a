//! The protocol: what is asked, in which order, and who answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use spec::editor::Lines;

use super::answers::{self, Places, Refused};
use super::workspace::{Workspace, path_of, position};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMETERS: i64 = -32602;
const INTERNAL_ERROR: i64 = -32603;
const NOT_INITIALIZED: i64 = -32002;

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was said yet.
    New,
    /// Questions are answered.
    Running,
    /// Only the end is waited for.
    Closing,
}

/// A session with an editor.
pub(super) struct Server {
    stage: Stage,
    workspace: Workspace,
    /// Whether problems may have changed since they were last told.
    pub(super) stale: bool,
    /// What was told of each document.
    told: BTreeMap<String, Vec<Value>>,
}

/// What becomes of a session after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on.
    Go,
    /// It ends, well or not.
    End {
        /// Whether the editor said so before.
        announced: bool,
    },
}

impl Server {
    pub(super) fn new() -> Self {
        Self { stage: Stage::New, workspace: Workspace::default(), stale: false, told: BTreeMap::new() }
    }

    /// Answers something that was no message.
    pub(super) fn malformed(reason: &str) -> Value {
        error(&Value::Null, (PARSE_ERROR, reason.to_owned()))
    }

    /// Takes a message; the answers are added to `out`.
    pub(super) fn receive(&mut self, message: &Value, out: &mut Vec<Value>) -> Next {
        let id = message.get("id");
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // An answer to something that we asked needs none; we ask nothing.
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            if !is_answer || id.is_none() {
                out.push(error(id.unwrap_or(&Value::Null), (INVALID_REQUEST, "this is no request".to_owned())));
            }
            return Next::Go;
        };
        let nothing = Value::Null;
        let parameters = message.get("params").unwrap_or(&nothing);
        let Some(id) = id else { return self.notified(method, parameters) };
        if !matches!(id, Value::Number(_) | Value::String(_)) {
            out.push(error(&Value::Null, (INVALID_REQUEST, "an id is a number or a text".to_owned())));
            return Next::Go;
        }
        // A fault in one answer leaves all others possible.
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.asked(method, parameters)));
        out.push(match answer {
            Ok(Ok(result)) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Ok(Err(refused)) => error(id, refused),
            Err(_) => error(id, (INTERNAL_ERROR, "mailwright has a fault; see its stderr".to_owned())),
        });
        Next::Go
    }

    fn notified(&mut self, method: &str, parameters: &Value) -> Next {
        match method {
            "exit" => return Next::End { announced: self.stage == Stage::Closing },
            _ if self.stage != Stage::Running => return Next::Go,
            "textDocument/didOpen" => {
                let text = parameters.pointer("/textDocument/text").and_then(Value::as_str);
                if let (Some(uri), Some(text)) = (uri(parameters), text) {
                    self.workspace.open(uri, text.to_owned(), version(parameters));
                    // Of an open document it is told too that it has no problems.
                    if self.told.get(uri).is_some_and(Vec::is_empty) {
                        self.told.remove(uri);
                    }
                }
            }
            "textDocument/didChange" => {
                let changes = parameters.get("contentChanges").and_then(Value::as_array);
                if let (Some(uri), Some(changes)) = (uri(parameters), changes) {
                    self.workspace.change(uri, changes, version(parameters));
                }
            }
            "textDocument/didClose" => {
                if let Some(uri) = uri(parameters) {
                    self.workspace.close(uri);
                }
            }
            "initialized" | "textDocument/didSave" | "workspace/didChangeWatchedFiles" => self.workspace.forget(),
            _ => return Next::Go,
        }
        self.stale = true;
        Next::Go
    }

    fn asked(&mut self, method: &str, parameters: &Value) -> Result<Value, Refused> {
        match (self.stage, method) {
            (Stage::New, "initialize") => Ok(self.initialize(parameters)),
            (Stage::New, _) => Err((NOT_INITIALIZED, "the session begins with `initialize`".to_owned())),
            (_, "initialize") => Err((INVALID_REQUEST, "the session has begun already".to_owned())),
            (Stage::Closing, _) => Err((INVALID_REQUEST, "the session is over".to_owned())),
            (Stage::Running, "shutdown") => {
                self.stage = Stage::Closing;
                self.stale = false;
                Ok(Value::Null)
            }
            (Stage::Running, "textDocument/formatting") => {
                let path = path(parameters)?;
                let snapshot = self.workspace.snapshot_of(&path);
                Ok(snapshot.map_or(Value::Null, |snapshot| answers::formatted(snapshot, &path)))
            }
            (Stage::Running, method) => self.asked_at(method, parameters),
        }
    }

    /// Answers what is asked about a place in a document.
    fn asked_at(&mut self, method: &str, parameters: &Value) -> Result<Value, Refused> {
        let known = [
            "textDocument/completion",
            "textDocument/hover",
            "textDocument/definition",
            "textDocument/references",
            "textDocument/prepareRename",
            "textDocument/rename",
        ];
        if !known.contains(&method) {
            return Err((METHOD_NOT_FOUND, format!("`{method}` is not known here")));
        }
        let path = path(parameters)?;
        if method.ends_with("ename") {
            // Places that are written to have to be where they seem to be.
            self.workspace.forget();
        }
        let asked = parameters.get("position").and_then(position);
        let asked = asked.ok_or((INVALID_PARAMETERS, "`position` is missing".to_owned()))?;
        let Some(snapshot) = self.workspace.snapshot_of(&path) else { return Ok(Value::Null) };
        let Some((_, file)) = snapshot.file(&path) else { return Ok(Value::Null) };
        let offset = Lines::of(&file.bytes).offset(asked);
        match method {
            "textDocument/completion" => Ok(answers::completion(snapshot, &path, offset)),
            "textDocument/hover" => Ok(answers::hovered(snapshot, &path, offset)),
            "textDocument/prepareRename" => answers::prepared(snapshot, &path, offset),
            "textDocument/definition" => Ok(answers::places(&mut self.workspace, &path, offset, Places::Declarations)),
            "textDocument/references" => {
                let all = parameters.pointer("/context/includeDeclaration").and_then(Value::as_bool);
                let which = if all.unwrap_or(true) { Places::All } else { Places::Uses };
                Ok(answers::places(&mut self.workspace, &path, offset, which))
            }
            _ => {
                let to = parameters.get("newName").and_then(Value::as_str);
                let to = to.ok_or((INVALID_PARAMETERS, "`newName` is missing".to_owned()))?;
                answers::renamed(&mut self.workspace, &path, offset, to)
            }
        }
    }

    fn initialize(&mut self, parameters: &Value) -> Value {
        let folders = parameters.get("workspaceFolders").and_then(Value::as_array);
        let named = folders.into_iter().flatten().filter_map(|folder| folder.get("uri")?.as_str());
        let root = parameters.get("rootUri").and_then(Value::as_str);
        for uri in named.chain(root) {
            self.workspace.add_folder(uri);
        }
        self.stage = Stage::Running;
        json!({
            "serverInfo": { "name": "mailwright", "version": env!("CARGO_PKG_VERSION") },
            "capabilities": {
                "positionEncoding": "utf-16",
                "textDocumentSync": { "openClose": true, "change": 2, "save": true },
                "completionProvider": { "triggerCharacters": ["=", "\"", " "] },
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "renameProvider": { "prepareProvider": true },
                "documentFormattingProvider": true,
            },
        })
    }

    /// Returns what the editor does not know of the problems yet.
    pub(super) fn diagnose(&mut self) -> Vec<Value> {
        self.stale = false;
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for root in self.workspace.roots() {
            found.extend(answers::diagnostics(&mut self.workspace, &root));
        }
        let mut out = Vec::new();
        // What is gone has no problems any more.
        for (uri, before) in &self.told {
            if !before.is_empty() && !found.contains_key(uri) {
                out.push(self.publish(uri, &[]));
            }
        }
        for (uri, problems) in &found {
            let before = self.told.get(uri);
            let is_open = || path_of(uri).is_some_and(|path| self.workspace.document(&path).is_some());
            let matters = !problems.is_empty() || before.is_some_and(|before| !before.is_empty()) || is_open();
            if before != Some(problems) && matters {
                out.push(self.publish(uri, problems));
            }
        }
        self.told = found;
        out
    }

    fn publish(&self, uri: &str, problems: &[Value]) -> Value {
        let mut parameters = json!({ "uri": uri, "diagnostics": problems });
        let document = path_of(uri).and_then(|path| self.workspace.document(&path));
        if let (Some(document), Some(object)) = (document, parameters.as_object_mut()) {
            object.insert("version".to_owned(), json!(document.version));
        }
        json!({ "jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": parameters })
    }
}

fn error(id: &Value, (code, message): Refused) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

fn uri(parameters: &Value) -> Option<&str> {
    parameters.pointer("/textDocument/uri").and_then(Value::as_str)
}

fn version(parameters: &Value) -> i64 {
    parameters.pointer("/textDocument/version").and_then(Value::as_i64).unwrap_or_default()
}

fn path(parameters: &Value) -> Result<PathBuf, Refused> {
    let uri = uri(parameters).ok_or((INVALID_PARAMETERS, "`textDocument.uri` is missing".to_owned()))?;
    path_of(uri).ok_or((INVALID_PARAMETERS, format!("`{uri}` names no file")))
}
