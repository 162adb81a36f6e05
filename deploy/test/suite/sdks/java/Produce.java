import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventSerializer;
import io.cloudevents.kafka.PartitionKeyExtensionInterceptor;
import java.io.File;
import java.math.BigDecimal;
import java.net.URI;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends events.json with the official SDK for Java through Kafka's own client.
 *
 * <p>Usage: Produce BROKER TOPIC TIME EVENTS
 */
public class Produce {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    JsonNode events = JSON.readTree(new File(args[3]));
    for (Encoding mode : Encoding.values()) {
      send(args[0], args[1], OffsetDateTime.parse(args[2]), events, mode);
    }
  }

  private static void send(String broker, String topic, OffsetDateTime time, JsonNode events, Encoding mode)
      throws Exception {
    Map<String, Object> config = Map.of(
        ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, broker,
        ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
        ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, CloudEventSerializer.class,
        ProducerConfig.INTERCEPTOR_CLASSES_CONFIG, PartitionKeyExtensionInterceptor.class.getName(),
        ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4",
        CloudEventSerializer.ENCODING_CONFIG, mode,
        CloudEventSerializer.EVENT_FORMAT_CONFIG, JsonFormat.CONTENT_TYPE);
    try (KafkaProducer<String, CloudEvent> producer = new KafkaProducer<>(config)) {
      List<Future<?>> sent = new ArrayList<>();
      for (int round = 0; round < 2; round++) { // a retry sends the same again
        for (JsonNode event : events) {
          sent.add(producer.send(new ProducerRecord<>(topic, cloudEvent(event, time, mode))));
        }
      }
      for (Future<?> one : sent) {
        one.get();
      }
    }
  }

  private static CloudEvent cloudEvent(JsonNode event, OffsetDateTime time, Encoding mode) throws Exception {
    ObjectNode data = event.get("data").deepCopy();
    if (event.get("type").asText().equals("usage.token.v1")) {
      data.put("cost_usd", new BigDecimal("0.00000035").toString());
    }
    return CloudEventBuilder.v1()
        .withId(event.get("id").asText())
        .withSource(URI.create("/sdks/java/" + mode.name().toLowerCase()))
        .withType(event.get("type").asText())
        .withTime(time)
        .withExtension("partitionkey", data.get("org_id").asText())
        .withData("application/json", JSON.writeValueAsBytes(data))
        .build();
  }
}
