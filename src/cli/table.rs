//! Answers for people: a list as a table, one thing as lines of name and value.

use serde_json::Map;
use serde_json::Value;

/// The longest cell of a table, characters; the last one of a row may be longer.
const CELL: usize = 60;

/// The text of an answer.
pub fn render(answer: &Value) -> String {
    match answer {
        Value::Array(rows) => table(rows),
        Value::Object(fields) => lines(fields, ""),
        other => cell(other) + "\n",
    }
}

fn table(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else { return "none\n".into() };
    let names: Vec<&String> = first.keys().collect();
    let mut cells = vec![names.iter().map(|name| name.replace('_', " ").to_uppercase()).collect::<Vec<_>>()];
    for row in rows {
        let whole = |name: &&String| row.get(name.as_str()).map(cell).unwrap_or_default();
        let mut line: Vec<String> = names.iter().map(|name| short(&whole(name))).collect();
        if let (Some(cell), Some(name)) = (line.last_mut(), names.last()) {
            *cell = whole(name);
        }
        cells.push(line);
    }
    let widths: Vec<usize> = (0..names.len())
        .map(|at| cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let mut out = String::new();
    for row in cells {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!("{cell:width$}  ");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

fn lines(fields: &Map<String, Value>, indent: &str) -> String {
    let width = fields.keys().map(String::len).max().unwrap_or_default() + 1;
    let mut out = String::new();
    for (name, value) in fields {
        let name = format!("{}:", name.replace('_', " "));
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                out += &format!("{indent}{name}\n");
                for row in table(rows).lines() {
                    out += &format!("{indent}  {row}\n");
                }
            }
            Value::Object(inner) => {
                out += &format!("{indent}{name}\n");
                out += &lines(inner, &format!("{indent}  "));
            }
            Value::String(text) if text.contains('\n') => out += &format!("{indent}{name}\n{text}\n"),
            value => {
                let line = format!("{indent}{name:width$} {}", cell(value));
                out += line.trim_end();
                out.push('\n');
            }
        }
    }
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => clean(text),
        Value::Array(values) if values.is_empty() => "-".into(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What others wrote must not move the cursor of a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn short(text: &str) -> String {
    if text.chars().count() <= CELL {
        return text.to_owned();
    }
    text.chars().take(CELL - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn renders_tables_and_lines() {
        let rows = json!([{ "address": "a@x", "messages": 3, "opened": null }, { "address": "bob@x.example", "messages": 20, "opened": "2026" }]);
        assert_eq!(
            render(&rows),
            "ADDRESS        MESSAGES  OPENED\na@x            3         -\nbob@x.example  20        2026\n"
        );
        assert_eq!(render(&json!([])), "none\n");
        let long = "x".repeat(CELL + 1);
        let rows = render(&json!([{ "about": long, "finding": long }]));
        let cells: Vec<usize> =
            rows.lines().last().unwrap().split("  ").map(|cell| cell.chars().count()).collect();
        assert_eq!(cells, [CELL, CELL + 1], "what was found is said whole");
        let one = json!({ "address": "a@x\u{1b}[2J", "has_pin": true, "folders": [{ "name": "INBOX" }], "inner": { "a": 1 } });
        assert_eq!(
            render(&one),
            "address: a@x [2J\nhas pin: yes\nfolders:\n  NAME\n  INBOX\ninner:\n  a: 1\n"
        );
    }
}
