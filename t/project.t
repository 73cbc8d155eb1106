#!/usr/bin/perl

# What leaves is what the allowlist says, byte for byte; what is no JSON, or
# could be read in two ways, is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my $SECRET = 'a secret of many bytes 0123456789';
my $MAX = 64 * 1024;

# location => the inside of its allowlist
my %LIST = (
    scalars => 'allow id data.value data.deep.est;',
    arrays => 'allow items[].sku items[].tags[] grid[][];',
    roots => 'allow [].id [][].x;',
    stars => 'allow data.*.price *.name;',
    whole => 'allow raw.** items[].extra.** 7;',
    rest => 'allow **;',
    events => 'event_type meta.type; allow id; '
        . 'allow data.value for=offer.redeemed,offer.refunded; '
        . 'allow data.offerId for=offer.*; allow any for=any.*; '
        . 'unlisted refuse;',
    drop => 'event_type event; allow id for=offer.*; unlisted acknowledge;',
    status => 'allow id createdAt data.orderId data.deliveryStatus;',
    redemption => 'allow unique_id order_id total_points_redeemed '
        . 'orderData[].quantity orderData[].product.productId '
        . 'orderData[].product.price;',
    offer => 'event_type event; '
        . 'allow event eventId; allow data.offerId data.value data.currency '
        . 'data.participant.id for=offer.*; unlisted refuse;',
);

# nginx takes one layer of backslashes away
$LIST{quoted} = <<'LIST';
allow data."a.b" data."" 'data."with space"' data."*" 'data."x y".z' a/b "ü"
      '"q\\"\\\\"."[]"';
LIST

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up,
    good => sub { return %{request('scalars', '{"id":1}')} });

$t->secret('key', $SECRET);
my $lists = join "\n", map { "plum_allowlist $_ { $LIST{$_} }" } sort keys %LIST;
my $locations = join "\n", map { "location /$_ { plum on; plum_allow $_;"
    . ' proxy_pass http://127.0.0.1:%%PORT_up%%; }' } sort keys(%LIST), 'all';
$t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    @{[Test::Plum::Cases->log_format]}
    keepalive_requests 100000;
    plum_secret key %%TESTDIR%%/key;
    plum_signature github secret=key;
    plum_max_body $MAX;
    plum_tls off;
    $lists
    server {
        listen 127.0.0.1:%%PORT_0%%;
        @{[Test::Plum::Cases->access_log]}
        $locations
    }
}
CONF
$t->run;
my @workers = $t->workers;

kept();
nested();
wild();
quoted_names();
events();
duplicates();
invalid();
depth();
sizes();
plum();

is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$cases->finish;
$t->done_testing;


sub request {
    my ($list, $body) = @_;
    return {$t->signed(scheme => 'github', secret => $SECRET, body => $body,
        uri => "/$list")};
}


# in: as sent, out: as forwarded; the name is the text unless it is long

sub strip {
    my ($list, $in, $out, $what) = @_;

    return $cases->accept("$list: " . ($what || $in), request($list, $in),
        body => $out, verdict => 'accepted');
}


sub bad {
    my ($list, $in, $what) = @_;
    return $cases->refuse("$list: " . ($what || $in), request($list, $in),
        'json_invalid');
}


# values are the sender's bytes, whatever they are

sub kept {
    my @values = (
        '18446744073709551616', '12345678901234567890', '-0', '1.0', '1E400',
        '1e+2', '0.10', '100000000000000000000.5e-10', 'true', 'false', 'null',
        '""', '"\u00e9\/\\\\\""', "\"\xc3\xa9\"", '"\ud800"', '"\u0000"',
        '"  spaces  "', '"{\"id\":2}"', "\"\x7f\"",
    );

    strip('scalars', qq({"id":$_}), qq({"id":$_})) for @values;
    strip('scalars', qq( \n{ "id" :\t$_ , "x" : $_ }\r\n), qq({"id":$_}))
        for @values;
    strip('rest', qq([$_]), qq([$_])) for @values;
    return;
}


sub nested {
    strip('scalars', @$_) for
        ['{"data":{"value":1,"x":2},"id":3}', '{"data":{"value":1},"id":3}'],
        ['{"data":{"x":2}}', '{"data":{}}'],
        ['{"data":{"deep":{"est":[]}}}', '{"data":{"deep":{}}}'],
        ['{"id":{"a":1},"data":{"value":[1]}}', '{"data":{}}'],
        ['{"data":5,"id":[]}', '{}'],
        ['{"data":[{"value":1}]}', '{}'],
        ['{"x":{"id":1,"data":{"value":1}}}', '{}'],
        ['[{"id":1}]', '[]'],
        ['{"ID":1,"Id":2,"id ":3}', '{}'],
        ['{"\u0069d":1}', '{"\u0069d":1}'],
        ['{"data":{"v\u0061lue":1,"deep":{"e\u0073t":"\u0074"}}}',
            '{"data":{"v\u0061lue":1,"deep":{"e\u0073t":"\u0074"}}}'];

    strip('arrays', @$_) for
        ['{"items":[{"sku":"a","n":1},{"n":2},{"sku":"b"}]}',
            '{"items":[{"sku":"a"},{},{"sku":"b"}]}'],
        ['{"items":[1,"x",null,[{"sku":1}],{"sku":2}]}',
            '{"items":[{"sku":2}]}'],
        ['{"items":[]}', '{"items":[]}'],
        ['{"items":{"sku":1}}', '{}'],
        ['{"items":[{"tags":["a", 1 ,{"x":1},[2],null],"sku":[]}]}',
            '{"items":[{"tags":["a",1,null]}]}'],
        ['{"grid":[[1,2],3,[],[[4]],[5]]}', '{"grid":[[1,2],[],[],[5]]}'];

    strip('roots', @$_) for
        ['[{"id":1,"x":2},[{"x":3,"id":4}],5]', '[{"id":1},[{"x":3}]]'],
        ['[ ]', '[]'], ['{"id":1}', '{}'];
    return;
}


sub wild {
    strip('stars', @$_) for
        ['{"data":{"a":{"price":1,"x":2},"b":{"price":[]},"price":3}}',
            '{"data":{"a":{"price":1},"b":{}}}'],
        ['{"data":{"name":1},"z":{"name":2,"price":3},"name":4,"y":[]}',
            '{"data":{"name":1},"z":{"name":2}}'];

    strip('whole', @$_) for
        ['{ "raw" : { "a" : [ 1, 2 ] } , "x": 1 }',
            '{"raw":{ "a" : [ 1, 2 ] }}'],
        ["{\"raw\":\t[\n]\n}", "{\"raw\":[\n]}"],
        ['{"raw":"scalar","7": 7.0}', '{"raw":"scalar","7":7.0}'],
        ['{"items":[{"extra": {"a":1, "a":2} },{"extra":null}]}',
            '{"items":[{"extra":{"a":1, "a":2}},{"extra":null}]}'];

    for my $list (qw(rest all)) {
        strip($list, @$_) for
            ['{ "a" : [ 1 , { } ] }', '{ "a" : [ 1 , { } ] }'],
            [" [ 1 ] \n", '[ 1 ]'], ['{"a":1,"a":2}', '{"a":1,"a":2}'];
    }
    return;
}


sub quoted_names {
    strip('quoted', @$_) for
        ['{"data":{"a.b":1,"a":{"b":2}}}', '{"data":{"a.b":1}}'],
        ['{"data":{"":1,"with space":2,"*":3,"x":4}}',
            '{"data":{"":1,"with space":2,"*":3}}'],
        ['{"q\"\\\\":{"[]":1,"":[2]}}', '{"q\"\\\\":{"[]":1}}'],
        ["{\"\xc3\xbc\":1,\"\xc3\xbd\":2}", "{\"\xc3\xbc\":1}"],
        ['{"\u00fc":1,"\u00FD":2}', '{"\u00fc":1}'],
        ['{"a\/b":1,"a/c":2}', '{"a\/b":1}'];
    return;
}


sub events {
    my $event = sub {
        my ($type, $more) = @_;
        return qq({"id":1,"meta":{"type":$type},"data":{"value":2,)
            . qq("offerId":3},"any":4});
    };

    strip('events', $event->($_),
        '{"id":1,"data":{"value":2,"offerId":3}}')
        for qw("offer.redeemed" "offer.refunded" "offer.r\u0065deemed");
    strip('events', $event->($_), '{"id":1,"data":{"offerId":3}}')
        for qw("offer.viewed" "offer." "offer.redeemed.x");
    strip('events', $event->('"any.thing"'),
        '{"id":1,"any":4}');
    strip('events', '{"data":{"value":1,"x":0},"id":2,'
        . '"meta":{"type":"offer.refunded"}}',
        '{"data":{"value":1},"id":2}', 'the type comes last');

    my @unlisted = ('"offer"', '"Offer.redeemed"', '"x.offer.redeemed"', '""',
        '1', 'null', '{}', '["offer.redeemed"]');
    $cases->refuse("events: type $_", request('events', $event->($_)),
        'event_unlisted') for @unlisted;
    $cases->refuse('events: none', request('events', '{"id":1}'),
        'event_unlisted');

    strip('drop', '{"event":"offer.x","id":1}', '{"id":1}');
    for my $body ('{"event":"points","id":1}', '{"id":1}', '[]', '{}') {
        my $answer = $cases->accept("drop: $body", request('drop', $body),
            verdict => 'dropped', forwarded => 0);
        is($answer->body, '', 'with a bare answer');
    }
    return;
}


sub duplicates {
    bad('scalars', $_) for '{"id":1,"id":1}', '{"id":1,"x":2,"\u0069d":3}',
        '{"data":{},"data":{}}', '{"data":{"value":1,"value":[]}}',
        '{"id":{},"id":1}';
    strip('scalars', '{"x":1,"x":2,"id":3,"y":{"id":4,"id":5}}', '{"id":3}');
    strip('scalars', '{"data":{"x":1,"x":2}}', '{"data":{}}');
    bad('arrays', '{"items":[{"sku":1},{"sku":2,"sku":3}]}');
    strip('arrays', '{"items":[{"sku":1},{"sku":2}]}',
        '{"items":[{"sku":1},{"sku":2}]}');
    bad('stars', '{"data":{"x":1,"x":2}}');
    bad('stars', '{"q":1,"q":2}');
    bad('events', '{"meta":{"type":"offer.x","type":"any.x"}}');
    return;
}


sub invalid {
    my %bad = (
        'a byte order mark' => "\xef\xbb\xbf{}", 'a NUL' => "{}\0",
        'a NUL in front' => "\0{}", 'UTF-16' => "{\0}\0",
        'a NUL in a string' => "{\"id\":\"a\0b\"}",
        'a newline in a string' => "{\"id\":\"a\nb\"}",
        'a lone byte' => "{\"x\":\"\x80\"}", 'cut UTF-8' => "{\"x\":\"\xc3\"}",
        'overlong UTF-8' => "{\"x\":\"\xc0\xaf\"}",
        'a surrogate in UTF-8' => "{\"x\":\"\xed\xa0\x80\"}",
        'beyond Unicode' => "{\"x\":\"\xf4\x90\x80\x80\"}",
        'UTF-8 in a name' => "{\"\xff\":1}", 'no body' => '',
        'white space' => " \n", 'a vertical tab' => "{\x0b}",
        'a no-break space' => "{\xc2\xa0}",
        map { $_ => $_ } qw(1 "id" true null { } [ ] {"id"} {"id":}
            {"id":1}x {"id":1}{} {}{} {id:1}
            {'id':1} {"id":01} {"id":+1} {"id":.5} {"id":1.} {"id":1e}
            {"id":-} {"id":0x1} {"id":NaN} {"id":Infinity} {"id":True}
            {"id":tru} {"x":nul} {"x":"\x"} {"x":"\u12g4"} {"x":"\u12"}
            {"x":"} {"x":[} {"x":[}] {"id":1/**/} //{} {"x":1]),
        '{"id":1,}', '{,}', '[1,]', '[,1]',
    );
    delete $bad{$_} for '{}', '[]';

    for my $list (qw(scalars all)) {
        bad($list, $bad{$_}, $_) for sort keys %bad;
    }
    return;
}


sub depth {
    for my $list (qw(scalars all rest)) {
        for my $pair (['[', ']'], ['{"x":', '}']) {
            my ($open, $close) = @$pair;
            my $nest = sub {
                my $core = $open =~ /x/ ? '{}' : '[]';
                return $open x ($_[0] - 1) . $core . $close x ($_[0] - 1);
            };
            my $out = $list ne 'scalars' ? $nest->(64)
                : $open =~ /x/ ? '{}' : '[]';
            strip($list, $nest->(64), $out, "$open, 64 deep");
            bad($list, $nest->(65), "$open, 65 deep");
            bad($list, $open x 10_000, "$open, without an end");
        }
    }
    return;
}


sub sizes {
    for my $size (1000, 4096, 16 * 1024, $MAX - 1, $MAX) {
        my $fill = $size - length '{"id":1,"x":""}';
        strip('scalars', '{"id":1,"x":"' . 'y' x $fill . '"}', '{"id":1}',
            "$size bytes, dropped");
        my $body = '{"id":"' . 'z' x ($fill + 6) . '"}';
        is(length $body, $size, 'the size') if $size == $MAX;
        strip('scalars', $body, $body, "$size bytes, kept");
        strip('all', $body, $body, "$size bytes, all");
    }
    $cases->refuse('one byte more', request('all',
        '{"id":"' . 'z' x ($MAX - 8) . '"}'), 'body_too_large');

    my $many = join ',', map { qq({"sku":$_, "x":[$_]}) } 1 .. 2000;
    my $kept = join ',', map { qq({"sku":$_}) } 1 .. 2000;
    strip('arrays', qq({"items":[$many]}), qq({"items":[$kept]}), 'elements');
    my $names = join ',', map { qq("n$_":$_) } 1 .. 3000;
    strip('stars', qq({$names}), '{}', '3000 names');
    bad('stars', qq({$names,"n1":0}), '3000 names, one twice');
    return;
}


# the shapes that Plum documents

sub plum {
    strip('status', '{"id": 18446744073709551, "data": {"orderId": 71930455, '
        . '"poNumber": "ACME-Q1-000981", "orderDate": "2026-03-04 09:12:33", '
        . '"deliveryStatus": "delivered"}, "createdAt": "2026-03-04 09:40:02"}',
        '{"id":18446744073709551,"data":{"orderId":71930455,'
        . '"deliveryStatus":"delivered"},"createdAt":"2026-03-04 09:40:02"}');
    strip('redemption', '{"unique_id": "emp-00417@example.com", "auth_token": '
        . '"b7f0c2d94e61", "total_points_redeemed": 512.5, "order_id": '
        . '"AB1907733120", "order_date": 1772616753,' . "\n" . ' "orderData": '
        . '[{"quantity": 1, "orderAmount": 12.5, "product": {"productId": '
        . '"28811", "name": "Desk lamp", "category": "merchandise", "price": '
        . '12.5}}]}',
        '{"unique_id":"emp-00417@example.com","total_points_redeemed":512.5,'
        . '"order_id":"AB1907733120","orderData":[{"quantity":1,"product":'
        . '{"productId":"28811","price":12.5}}]}');
    strip('offer', <<'IN' =~ s/\n\z//r, <<'OUT' =~ s/\n\z//r);
{"event": "offer.redeemed", "eventId": "evt-000000184", "occurredAt": "2026-03-04T09:40:02Z",
 "data": {"offerId": "OF-2231", "partner": "Example Cafe", "channel": "in-app", "tierToken": "T2", "status": "successful", "validationMethod": "pin", "value": 12.5, "currency": "AED",
          "category": "dining", "participant": {"id": "p-7f31c0", "email": "p@example.com", "phone": "+971500000000"}, "voucherCode": "ZX-TEST-9", "pin": "0042"}}
IN
{"event":"offer.redeemed","eventId":"evt-000000184","data":{"offerId":"OF-2231","value":12.5,"currency":"AED","participant":{"id":"p-7f31c0"}}}
OUT
    return;
}
