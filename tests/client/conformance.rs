//! The client over the mock, held to the contract that the simulation's world keeps, too.

use super::contract::{self, NOW_MS, events};
use super::environment::{self, Environment};

/// Each behaviour, whichever way the mock takes the end of a window.
macro_rules! hold {
    ($($behaviour:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $behaviour() {
                for end_inclusive in [false, true] {
                    let environment = loaded(end_inclusive).await;
                    contract::$behaviour(&environment.client).await;
                    environment.assert_disciplined();
                }
            }
        )+
    };
}

contract::behaviours!(hold);

async fn loaded(end_inclusive: bool) -> Environment {
    assert_eq!((NOW_MS, contract::ORGANIZATION), (environment::NOW_MS, environment::ORGANIZATION));
    let environment = Environment::start().await;
    {
        let mut world = environment.world();
        world.behaviours.end_inclusive = end_inclusive;
        for event in events() {
            world.load(event.raw, event.visible_ms).unwrap();
        }
    }
    environment
}
