// Package runbooks runs the commands that the pages for operators show, as they stand there, with
// the binary that the repository builds, on an embedded broker and engine with a workspace's usage.
// A command with a typing error, a flag that is gone, or a step that does not do what the page says
// fails the test. A command that is new on a page is run without any change here, if its
// placeholders are those of the others.
package runbooks
