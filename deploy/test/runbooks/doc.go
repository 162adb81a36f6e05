// Package runbooks runs the commands that the pages for operators show, as they stand there, with
// the binary that the repository builds, on an embedded broker and engine with a workspace's usage.
// The lines of Kafka's own tools (kafka-topics.sh and so on) are run on Apache Kafka, with the
// build tag brokers (make test-kafka).
//
// A command with a typing error, a flag that is gone, or a step that does not do what the page says
// fails the test. A command that is new on a page is run without any change here, if its
// placeholders are those of the others.
package runbooks
