// Package kafkatest gives tests a Kafka broker. ROLLCALL_TEST_KAFKA chooses it: kfake (the default)
// is the embedded broker, real is Apache Kafka.
//
// The real one is a single KRaft node in a Java process, on random ports of 127.0.0.1, with its
// data in a temporary directory. pom.xml names its libraries; they come from Maven Central, once,
// into the user's cache. jars.sha256 has their checksums. It needs Java 17 or newer and Maven. If
// something is missing, the test fails with a sentence that names it; nothing is skipped. The node
// starts with the first test that asks for it and serves one test at a time. It ends when the test
// binary ends, however it ends.
//
// OpenCluster starts several nodes of Apache Kafka for one test: a controller and brokers. A test
// can kill brokers, or cut them off from the controller or from clients while they continue to run.
// Tests that need a cluster have the build tag brokers.
//
// To move to another version of Kafka, change pom.xml, run
//
//	mvn -f pom.xml dependency:copy-dependencies -DoutputDirectory=/tmp/jars
//	(cd /tmp/jars && LC_ALL=C sha256sum *.jar) > jars.sha256
//
// and review the difference.
package kafkatest
