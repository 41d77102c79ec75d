//! What AWS would decide on a call to the stack: the policies that CloudFormation would make of the template, and an
//! evaluator of them. The tests of the template ask it what is allowed, the end-to-end tests let it answer the function.

pub(crate) mod calls;
pub(crate) mod conditions;
pub(crate) mod policy;
pub(crate) mod reading;
pub(crate) mod stack;
