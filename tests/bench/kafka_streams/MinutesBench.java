import com.sun.management.OperatingSystemMXBean;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/**
 * The worker's job in Kafka Streams: decode, drop copies, fold into minutes, publish each second and on closing.
 * Written for speed: no Avro library, the minutes in a plain map without a changelog.
 *
 * <p>Arguments: BOOTSTRAP GROUP TOPIC-OUT MINUTES-ID TOTAL; prints how it went as one line of JSON.
 */
public final class MinutesBench {
    static final long UNITS = 263_340;
    static final long LATENESS_MS = 120_000;
    static final int HEADER = 5;

    static final AtomicLong count = new AtomicLong();
    static final AtomicLong late = new AtomicLong();
    static final Map<Integer, Long> prefix = new ConcurrentHashMap<>();
    static final Set<Fold> folds = ConcurrentHashMap.newKeySet();

    record Key(String sensor, long minute) {}

    static final class Minute {
        /** Per probe: mask, samples, energy, least and greatest power, pf, voltage, least and greatest voltage. */
        final long[][] probes = new long[3][];
        long version = -1;
        boolean changed;
    }

    static final class Fold implements Processor<byte[], byte[], byte[], byte[]> {
        private final Map<Key, Minute> open = new HashMap<>();
        private final int minutesId;
        private ProcessorContext<byte[], byte[]> context;
        private long watermark;
        volatile boolean dirty;

        Fold(int minutesId) {
            this.minutesId = minutesId;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            folds.add(this);
            context.schedule(Duration.ofSeconds(1), PunctuationType.WALL_CLOCK_TIME, at -> publish(at));
        }

        @Override
        public void process(Record<byte[], byte[]> message) {
            var where = context.recordMetadata().orElseThrow();
            watermark = Math.max(watermark, message.timestamp());
            fold(ByteBuffer.wrap(message.value()).order(ByteOrder.LITTLE_ENDIAN), where.offset());
            prefix.put(where.partition(), where.offset() + 1);
            count.incrementAndGet();
        }

        private void fold(ByteBuffer in, long offset) {
            in.position(HEADER);
            String sensor = text(in);
            long second = varint(in);
            varint(in); // received_at_ms
            skip(in); // format_version
            long minuteS = second - second % 60;
            if ((minuteS + 60) * 1000 + LATENESS_MS <= watermark) {
                late.incrementAndGet();
                return;
            }
            Minute minute = open.computeIfAbsent(new Key(sensor, minuteS), key -> new Minute());
            long bit = 1L << (second - minuteS);
            boolean counted = false;
            for (long items = varint(in); items != 0; items = varint(in)) {
                for (long i = 0; i < items; i++) {
                    counted |= probe(in, minute, bit);
                }
            }
            if (counted) {
                minute.version = offset;
                minute.changed = true;
                dirty = true;
            }
        }

        private static boolean probe(ByteBuffer in, Minute minute, long bit) {
            int id = (int) varint(in) - 1;
            varint(in); // probe_type
            long[] sums = minute.probes[id];
            if (sums == null) {
                sums = new long[] {0, 0, 0, Long.MAX_VALUE, Long.MIN_VALUE, 0, 0, Long.MAX_VALUE, Long.MIN_VALUE};
                minute.probes[id] = sums;
            }
            if ((sums[0] & bit) != 0) {
                skip(in);
                skip(in);
                skip(in);
                return false;
            }
            sums[0] |= bit;
            int n = (int) varint(in) / 4;
            sums[1] += n;
            sums[2] += ints(in, n, sums, 3);
            int m = (int) varint(in);
            long pf = 0;
            for (int i = 0; i < m; i++) {
                pf += in.get();
            }
            sums[5] += pf * (UNITS / m);
            sums[6] += ints(in, (int) varint(in) / 4, sums, 7);
            return true;
        }

        private static long ints(ByteBuffer in, int n, long[] sums, int at) {
            long sum = 0;
            int low = Integer.MAX_VALUE;
            int high = Integer.MIN_VALUE;
            for (int i = 0; i < n; i++) {
                int value = in.getInt();
                sum += value;
                low = Math.min(low, value);
                high = Math.max(high, value);
            }
            sums[at] = Math.min(sums[at], low);
            sums[at + 1] = Math.max(sums[at + 1], high);
            return sum * (UNITS / n);
        }

        private void publish(long at) {
            for (Iterator<Map.Entry<Key, Minute>> each = open.entrySet().iterator(); each.hasNext(); ) {
                Map.Entry<Key, Minute> entry = each.next();
                Key key = entry.getKey();
                Minute minute = entry.getValue();
                if (minute.changed) {
                    byte[] name = key.sensor.getBytes(StandardCharsets.UTF_8);
                    context.forward(new Record<>(name, encode(name, key, minute), at));
                    minute.changed = false;
                }
                if ((key.minute + 60) * 1000 + LATENESS_MS <= watermark) {
                    each.remove();
                }
            }
            dirty = false;
        }

        private byte[] encode(byte[] name, Key key, Minute minute) {
            ByteArrayOutputStream out = new ByteArrayOutputStream(256);
            out.writeBytes(ByteBuffer.allocate(HEADER).put((byte) 0).putInt(minutesId).array());
            varint(out, name.length);
            out.writeBytes(name);
            varint(out, key.minute);
            varint(out, minute.version);
            int present = 0;
            for (long[] sums : minute.probes) {
                present += sums == null ? 0 : 1;
            }
            varint(out, present);
            for (int id = 0; id < 3; id++) {
                if (minute.probes[id] != null) {
                    long[] p = minute.probes[id];
                    varint(out, id + 1);
                    for (long value : p) {
                        varint(out, value);
                    }
                }
            }
            out.write(0);
            return out.toByteArray();
        }
    }

    static long varint(ByteBuffer in) {
        long value = 0;
        int shift = 0;
        byte next;
        do {
            next = in.get();
            value |= (long) (next & 0x7F) << shift;
            shift += 7;
        } while (next < 0);
        return (value >>> 1) ^ -(value & 1);
    }

    static void varint(ByteArrayOutputStream out, long value) {
        long left = (value << 1) ^ (value >> 63);
        while ((left & ~0x7FL) != 0) {
            out.write((int) (left & 0x7F) | 0x80);
            left >>>= 7;
        }
        out.write((int) left);
    }

    static String text(ByteBuffer in) {
        int length = (int) varint(in);
        String text = new String(in.array(), in.position(), length, StandardCharsets.UTF_8);
        in.position(in.position() + length);
        return text;
    }

    static void skip(ByteBuffer in) {
        int length = (int) varint(in);
        in.position(in.position() + length);
    }

    public static void main(String[] arguments) throws Exception {
        String out = arguments[2];
        int minutesId = Integer.parseInt(arguments[3]);
        long total = Long.parseLong(arguments[4]);
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        config.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir"));
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
        Topology topology = new Topology();
        topology.addSource("readings", "sensor.readings");
        topology.addProcessor("fold", () -> new Fold(minutesId), "readings");
        topology.addSink("minutes", out, "fold");
        KafkaStreams streams = new KafkaStreams(topology, config);
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        List<String> marks = new ArrayList<>();
        long before = 0;
        streams.start();
        while (before < total) {
            Thread.sleep(20);
            long now = count.get();
            if (now > before) {
                marks.add(
                        String.format(Locale.ROOT, "[%.6f,%.4f,%d]", System.nanoTime() / 1e9, system.getProcessCpuTime() / 1e9, now));
            }
            before = now;
        }
        while (folds.stream().anyMatch(fold -> fold.dirty)) {
            Thread.sleep(20);
        }
        streams.close(); // flushes
        double publishedAt = System.nanoTime() / 1e9;
        long memoryMb = 0;
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                memoryMb = Long.parseLong(line.replaceAll("\\D", "")) / 1024;
            }
        }
        List<String> offsets = new ArrayList<>();
        prefix.forEach((partition, next) -> offsets.add("\"" + partition + "\":" + next));
        System.out.printf(
                Locale.ROOT,
                "{\"marks\":[%s],\"prefix\":{%s},\"late\":%d,\"published_at\":%.6f,\"memory_mb\":%d}%n",
                String.join(",", marks),
                String.join(",", offsets),
                late.get(),
                publishedAt,
                memoryMb);
    }
}
