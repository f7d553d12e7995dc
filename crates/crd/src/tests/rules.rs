//! Shell. The CEL rules, and the bounds of the schema, against the manifests.

use kube::core::cel::Validator;
use serde_json::Value;

use super::bounds;
use super::manifests::{Manifest, bad, good, schema};

/// What the API server would say about each document: nothing, or why it is refused. As there, the
/// rules are not looked at where the schema already fails.
fn refusals(schema: &Value, manifest: &Manifest) -> Vec<Vec<String>> {
    let mut previous = None;
    let mut all = Vec::new();
    for document in &manifest.documents {
        let mut refusals = bounds::violations(schema, document);
        if refusals.is_empty()
            && let Err(errors) = Validator::new().validate(schema, document, previous)
        {
            refusals.extend(errors.into_iter().map(|error| error.message));
        }
        all.push(refusals);
        previous = Some(document);
    }
    all
}

#[test]
fn good_manifests_are_accepted() {
    let schema = schema();
    for manifest in good() {
        let refusals = refusals(&schema, &manifest).concat();
        assert!(refusals.is_empty(), "{}: {refusals:?}", manifest.file);
    }
}

#[test]
fn bad_manifests_are_refused_for_one_reason_that_says_what_to_change() {
    let schema = schema();
    for manifest in bad() {
        let mut refusals = refusals(&schema, &manifest);
        let last = refusals.pop().expect("a document");
        assert!(refusals.concat().is_empty(), "{}: {refusals:?}", manifest.file);
        let says = &manifest.says;
        let [refusal] = &last[..] else { panic!("{}, {says}: {last:?}", manifest.file) };
        assert!(refusal.contains(says), "{}, {says}: {refusal}", manifest.file);
    }
}

#[test]
fn every_rule_has_a_bad_manifest() {
    let bad = bad();
    let mut rules = Vec::new();
    collect_rules(&schema(), &mut rules);
    assert!(rules.len() > 30, "{}", rules.len());
    for message in rules {
        assert!(bad.iter().any(|manifest| message.contains(&manifest.says)), "{message}");
        assert!(!message.contains('\n'), "the API server refuses line breaks: {message}");
    }
}

fn collect_rules(value: &Value, messages: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for rule in map.get("x-kubernetes-validations").into_iter().flat_map(Value::as_array) {
                let message = |rule: &Value| rule["message"].as_str().map(str::to_owned);
                messages.extend(rule.iter().map(|rule| message(rule).expect("a message")));
            }
            map.values().for_each(|value| collect_rules(value, messages));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_rules(item, messages)),
        _ => {}
    }
}
