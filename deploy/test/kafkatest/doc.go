// Package kafkatest gives tests a Kafka broker: the embedded one, or Apache Kafka itself, by
// ROLLCALL_TEST_KAFKA=kfake (the default) or real.
//
// The real one is a single KRaft node in a Java process, on random ports of 127.0.0.1, with its
// data in a temporary directory. Its libraries come from Maven Central by pom.xml, once, into the
// user's cache; jars.sha256 holds their checksums. It needs Java 17 or newer and Maven. What is
// missing fails the test with a sentence that names it; nothing is skipped. The node starts with
// the first test that asks for it, serves one test at a time, and ends with the test binary,
// however that ends.
//
// OpenCluster starts several nodes for one test, the real ones only: a controller and brokers that
// can be killed, and cut off from the controller or from clients while they go on running. Tests
// that need it have the build tag brokers.
//
// To move to another version of Kafka, change pom.xml, run
//
//	mvn -f pom.xml dependency:copy-dependencies -DoutputDirectory=/tmp/jars && (cd /tmp/jars && LC_ALL=C sha256sum *.jar) > jars.sha256
//
// and look at the difference.
package kafkatest
