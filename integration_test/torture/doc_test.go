// Package torture_test runs random requests by many clients through several managers
// ("nodes") on one database, over real HTTP, while faults happen, and finds out whether what
// was seen could have happened if every promise was kept.
//
// What is where:
//
//   - script: what a request does, as a line of steps; handler: how a node does it, and notes
//     what it saw; client: the browsers that send it.
//   - presented: a request with two cookies of one name, and which session it is given.
//   - history: what was noted. Each event has an interval in which it took effect, by one
//     monotonic clock, and an outcome: done, refused, or not known.
//   - model: what a session is, and what each event makes of it.
//   - idle: when a session expires by itself, in the world in which that is soon.
//   - check: for each session, an order of its events that the model and the intervals allow
//     (found by porcupine), and the rows that are left. rules: what concerns several sessions,
//     such as revocations, limits, tokens and statuses, by intervals alone.
//   - world: the nodes. faults: what happens to them. refuse: what the server says to writes.
//     crash: a server that is killed.
//   - broken: stores and nodes that break one promise each. TestCheckerSees shows that each
//     is found.
//   - takeover: the same for sessions of Express that are taken over and imported, which have
//     nodes, clients and rules of their own. A session has a name and a log in its values, so
//     intervals alone tell what may be seen. TestTakeoverCheckerSees breaks promises too.
//
// Each commit of a session moves its head, a value that names the commit before it, so every
// view of a session tells which commits it is the sum of. That makes the order of commits
// known, and whether a commit whose answer was lost was carried out.
//
// A run is a series of rounds. A round has its own users and browsers and ends in silence, so
// that it can be checked by itself and forgotten. The seed of a round decides what its clients
// send, not how their requests meet, so a failure may need several runs to come again:
//
//	make torture D=30m SEED=n
//	make torture D=30m DB=postgres/takeover
package torture_test
