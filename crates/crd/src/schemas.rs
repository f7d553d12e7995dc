//! Pure. Schemas of what Kubernetes types leave open. The bounds keep the rules within the cost
//! that the API server allows.

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::ImagePullPolicy;
use crate::rules::{self, Rule};

/// Entries of a map that a user gives.
const MAP_ENTRIES_MAX: u32 = 64;
/// Kinds of resources, such as cpu and memory.
const RESOURCES_MAX: u32 = 16;
const TOLERATIONS_MAX: u32 = 32;
const SPREAD_CONSTRAINTS_MAX: u32 = 8;
const PULL_SECRETS_MAX: u32 = 16;
/// The name of an object.
const NAME_LENGTH_MAX: u32 = 253;
/// A prefix, a slash and a name.
const LABEL_KEY_LENGTH_MAX: u32 = 317;
/// A word such as `DoNotSchedule`, or a wrong one.
const WORD_LENGTH_MAX: u32 = 63;
const QUANTITY_LENGTH_MAX: u32 = 32;
const LABEL_VALUE_LENGTH_MAX: u32 = 63;

pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAP_ENTRIES_MAX,
        "additionalProperties": { "type": "string", "maxLength": LABEL_VALUE_LENGTH_MAX },
    })
}

pub(crate) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAP_ENTRIES_MAX,
        "additionalProperties": { "type": "string" },
    })
}

/// Requests and limits, without the claims of devices, which a server has no use for.
pub(crate) fn resources(_: &mut SchemaGenerator) -> Schema {
    let side = |description: &str| {
        json_schema!({
            "description": description,
            "type": "object",
            "maxProperties": RESOURCES_MAX,
            "additionalProperties": {
                "x-kubernetes-int-or-string": true,
                "maxLength": QUANTITY_LENGTH_MAX,
            },
            "x-kubernetes-validations":
                [json(rules::RESOURCES_ARE_QUANTITIES), json(rules::MEMORY_AT_LEAST)],
        })
    };
    json_schema!({
        "type": "object",
        "nullable": true,
        "properties": {
            "requests": side("What a machine must have free for the pod to run there."),
            "limits": side("What the container may use at most."),
        },
    })
}

fn json((rule, message): Rule) -> Value {
    json!({ "rule": rule, "message": message })
}

/// Not nullable: null would be told as one of the supported values.
pub(crate) fn pull_policy(generator: &mut SchemaGenerator) -> Schema {
    terse::<ImagePullPolicy>(generator)
}

pub(crate) fn pull_secrets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": PULL_SECRETS_MAX,
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": { "name": { "type": "string", "maxLength": NAME_LENGTH_MAX } },
        },
    })
}

pub(crate) fn affinity(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = terse::<Affinity>(generator);
    schema.insert("nullable".to_owned(), true.into());
    schema
}

pub(crate) fn tolerations(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": TOLERATIONS_MAX,
        "items": terse::<Toleration>(generator),
    })
}

pub(crate) fn topology_spread(generator: &mut SchemaGenerator) -> Schema {
    let mut constraint = terse::<TopologySpreadConstraint>(generator);
    let properties =
        [("topologyKey", LABEL_KEY_LENGTH_MAX), ("whenUnsatisfiable", WORD_LENGTH_MAX)];
    for (property, length_max) in properties {
        let pointer = format!("/properties/{property}");
        if let Some(Value::Object(schema)) = constraint.pointer_mut(&pointer) {
            schema.insert("maxLength".to_owned(), length_max.into());
        }
    }
    json_schema!({
        "type": "array",
        "nullable": true,
        "maxItems": SPREAD_CONSTRAINTS_MAX,
        "items": constraint,
    })
}

/// Without Kubernetes' descriptions, which are most of its bytes and two clicks away:
/// `kubectl explain pod.spec`.
fn terse<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>().to_value();
    drop_descriptions(&mut schema);
    Schema::try_from(schema).unwrap_or_default()
}

fn drop_descriptions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property of that name is an object.
            map.retain(|key, value| key != "description" || !value.is_string());
            map.values_mut().for_each(drop_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_descriptions),
        _ => {}
    }
}

pub(crate) fn ring(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "nullable": true,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
