// Package ingest carries events from Kafka into the log.
package ingest
