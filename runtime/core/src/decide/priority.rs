//! Which level a request is of.

use crate::base::{
    contract::Batching,
    inference::{Parameters, Value},
};

/// The protocol's parameter: 1 is the highest, 0 leaves it to the model.
const PARAMETER: &str = "priority";

/// A level that there is: whoever names another, or none, gets the model's default, as Triton has it.
pub fn level(batching: &Batching, parameters: &Parameters) -> u8 {
    let levels = batching.levels();
    if levels == 0 {
        return 1; // without a look at the parameters
    }
    let named = parameters.iter().find(|(name, _)| name == PARAMETER).and_then(|(_, value)| match value {
        Value::Uint(level) => u8::try_from(*level).ok(),
        Value::Int(level) => u8::try_from(*level).ok(),
        Value::Bool(_) | Value::Double(_) | Value::Text(_) => None,
    });
    named.filter(|level| (1..=levels).contains(level)).unwrap_or_else(|| batching.default_level())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_that_there_is() {
        let batching =
            |priorities, default_priority| Batching { priorities, default_priority, ..Batching::default() };
        let (none, three, middle) = (batching(1, None), batching(3, None), batching(3, Some(2)));
        let table = [
            (&none, Some(Value::Uint(3)), 1),
            (&three, None, 3),
            (&three, Some(Value::Uint(1)), 1),
            (&three, Some(Value::Int(2)), 2),
            (&three, Some(Value::Uint(0)), 3),
            (&three, Some(Value::Uint(4)), 3),
            (&three, Some(Value::Uint(u64::MAX)), 3),
            (&three, Some(Value::Int(-1)), 3),
            (&three, Some(Value::Text("1".to_owned())), 3),
            (&middle, None, 2),
            (&middle, Some(Value::Uint(9)), 2),
            (&middle, Some(Value::Uint(3)), 3),
            (&batching(3, Some(9)), None, 3),
        ];
        for (batching, value, want) in table {
            let parameters = value.map(|value| (PARAMETER.into(), value)).into_iter().collect();
            assert_eq!(level(batching, &parameters), want, "{batching:?} {parameters:?}");
        }
    }
}
