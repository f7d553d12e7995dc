//! Pure. The bounds of a structural schema, as far as ours uses them, in the API server's words.

use serde_json::{Map, Value};

pub(super) fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    check(schema, value, "", &mut violations);
    violations
}

fn check(schema: &Value, value: &Value, path: &str, violations: &mut Vec<String>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let mut refuse = |text: String| violations.push(format!("{path}: {text}"));
    if let Some(expected) = schema["type"].as_str()
        && !is_a(expected, value)
    {
        return refuse(format!("must be of type {expected}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed = allowed.iter().filter(|value| !value.is_null());
        let allowed: Vec<String> = allowed.map(Value::to_string).collect();
        refuse(format!("supported values: {}", allowed.join(", ")));
    }
    if let Some((number, minimum)) = value.as_f64().zip(schema["minimum"].as_f64())
        && number < minimum
    {
        refuse(format!("should be greater than or equal to {minimum}"));
    }
    if let Some((number, maximum)) = value.as_f64().zip(schema["maximum"].as_f64())
        && number > maximum
    {
        refuse(format!("should be less than or equal to {maximum}"));
    }
    if let Some((text, max)) = value.as_str().zip(schema["maxLength"].as_u64())
        && text.len() as u64 > max
    {
        refuse(format!("Too long: may not be more than {max} bytes"));
    }
    if let Some(items) = value.as_array() {
        if schema["maxItems"].as_u64().is_some_and(|max| items.len() as u64 > max) {
            refuse("Too many".to_owned());
        }
        for (index, item) in items.iter().enumerate() {
            check(&schema["items"], item, &format!("{path}[{index}]"), violations);
        }
    } else if let Some(map) = value.as_object() {
        check_object(schema, map, path, violations);
    }
}

fn check_object(
    schema: &Value,
    map: &Map<String, Value>,
    path: &str,
    violations: &mut Vec<String>,
) {
    if schema["maxProperties"].as_u64().is_some_and(|max| map.len() as u64 > max) {
        violations.push(format!("{path}: Too many"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if !required.as_str().is_some_and(|name| map.contains_key(name)) {
            violations.push(format!("{path}.{required}: Required value"));
        }
    }
    for (key, value) in map {
        let property = &schema["properties"][key];
        let schema = if property.is_null() { &schema["additionalProperties"] } else { property };
        check(schema, value, &format!("{path}.{key}"), violations);
    }
}

fn is_a(expected: &str, value: &Value) -> bool {
    match expected {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
