//! Pure. A second judge of what clients were told, which knows nothing of versions: the histories
//! of the keys, each of which must be linearizable.

use std::collections::BTreeMap;

use handoff::invariants::{Records, Violation};
use ring::Point;
use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

use crate::clients::{Client, Doing};
use crate::scenario::Operation;

type Value = Option<u64>;
type Tester = LinearizabilityTester<u8, Register<Value>>;

/// The history of each key. Values are told apart by their versions; a removal writes nothing.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Histories {
    present: Vec<(Point, u64)>,
    by_key: BTreeMap<Point, Tester>,
    /// Whether one of them has no order.
    broken: bool,
}

impl Histories {
    pub(crate) fn new(present: &Records) -> Self {
        let present = present.iter().map(|((point, _), stored)| (*point, stored.version));
        Self { present: present.collect(), by_key: BTreeMap::new(), broken: false }
    }

    fn of(&mut self, point: Point) -> &mut Tester {
        let present = self.present.iter().find(|(of, _)| *of == point);
        let value = present.map(|(_, version)| *version);
        self.by_key.entry(point).or_insert_with(|| Tester::new(Register(value)))
    }

    pub(crate) fn invoked(&mut self, client: &Client, doing: &Doing) {
        let operation = match doing.operation {
            Operation::Read => RegisterOp::Read,
            Operation::Write => RegisterOp::Write(doing.found.map(|found| found.version)),
            Operation::Remove => RegisterOp::Write(None),
        };
        let invoked = self.of(doing.point).on_invoke(client.thread, operation).is_ok();
        self.broken |= !invoked;
    }

    pub(crate) fn answered(&mut self, client: &Client, doing: &Doing) {
        let answer = match doing.operation {
            Operation::Read => {
                let found = doing.found.filter(|found| found.live);
                RegisterRet::ReadOk(found.map(|found| found.version))
            }
            Operation::Write | Operation::Remove => RegisterRet::WriteOk,
        };
        let tester = self.of(doing.point);
        let returned = tester.on_return(client.thread, answer).is_ok();
        let has_order = tester.serialized_history().is_some();
        self.broken |= !returned || !has_order;
    }

    pub(crate) fn check(&self) -> Result<(), Violation> {
        if self.broken {
            let detail = format!("no order explains {:?}", self.by_key);
            return Err(Violation { invariant: "Linearizable", detail });
        }
        Ok(())
    }
}
