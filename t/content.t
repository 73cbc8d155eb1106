#!/usr/bin/perl

# What is signed has one meaning: a recorded delivery cannot be cut into other
# values with the same signature.  Templates whose pieces cannot be told apart
# are refused by nginx -t; values that hold what separates them are malformed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":1}';
my $MALFORMED = 'credential_malformed';

# location => the parameters of hmac
my %TEMPLATE = (
    event => '{header:X-Event}.{header:X-Id}.{timestamp}.{body}',
    colon => '{header:X-Event}.{header:X-Id}:{timestamp}:{body}',
    dots => '{header:X-Event}..{header:X-Id}..{timestamp}..{body}',
    uri => '{timestamp}.{uri}.{body}',
    beside => '{timestamp}{uri}{body}',
    after => '{body}.{header:X-Event}.{timestamp}',
    around => '{header:X-Event}|{body}|{header:X-Id}|{timestamp}',
    last => '{timestamp}.{body}{header:X-Event}',
);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up,
    good => sub { return $t->signed(scheme => 'github', uri => '/github',
        secret => $SECRET) });

$t->secret('plum', $SECRET);
$t->write_conf(configuration());
$t->run;
my @workers = $t->workers;

templates();
recorded();
values_of_headers();
uris();
presets();
twitch();

is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$cases->finish;
$t->done_testing;


sub configuration {
    my $hmac = 'plum_signature hmac secret=plum header=x-sig '
        . 'timestamp=x-time';
    my $locations = join "\n", map {
        my ($name, $line) = @$_;
        "location /$name { plum on; $line;"
            . ' proxy_pass http://127.0.0.1:%%PORT_up%%; }'
    } (map { [$_, "$hmac \"content=$TEMPLATE{$_}\""] } sort keys %TEMPLATE),
        map { [$_, "plum_signature $_ secret=plum"] }
        qw(github standard-webhooks svix stripe slack twitch zendesk);

    return <<"CONF";
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    @{[Test::Plum::Cases->log_format]}
    keepalive_requests 100000;
    plum_secret plum %%TESTDIR%%/plum;
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        @{[Test::Plum::Cases->access_log]}
        $locations
    }
}
CONF
}


# what nginx -t says of a template

sub templates {
    my $text = configuration();
    my $said = 'pieces side by side that cannot be told apart, put text '
        . 'between them in content';

    for my $content ('{id}{timestamp}.{body}', '{id}{timestamp}{body}',
        '{timestamp}{id}.{body}', '{header:A}{header:B}.{timestamp}.{body}',
        '{id}{uri}.{timestamp}.{body}', '{uri}{header:A}:{timestamp}:{body}',
        '{timestamp}.{body}{header:A}{id}', '{body}.{uri}{timestamp}',
        'v0:{header:A}{timestamp}:{body}')
    {
        my $id = $content =~ /\{id\}/ ? 'id=x-id ' : '';
        my ($status, $output) = $t->test_config($text =~
            s/"content=[^"]*"/$id"content=$content"/r);
        isnt($status, 0, "$content: refused");
        like($output, qr/\[emerg\] \Q$said "$content"\E/, '... by its name');
    }

    for my $content ('{id}.{timestamp}{body}', '{timestamp}{uri}{body}',
        'POST{header:Host}{uri}{body}{timestamp}', '{id}{body}{timestamp}',
        '{id}:{body}.{timestamp}')
    {
        my $id = $content =~ /\{id\}/ ? 'id=x-id ' : '';
        my ($status, $output) = $t->test_config($text =~
            s/"content=[^"]*"/$id"content=$content"/r);
        is($status, 0, "$content: allowed") or diag($output);
    }
    return;
}


# a delivery to a location with these values of headers

sub sign {
    my ($name, $values, %opt) = @_;

    my %request = $t->signed(scheme => 'hmac', header => 'x-sig',
        timestamp => 'x-time', content => $TEMPLATE{$name},
        uri => "/$name", secret => $SECRET, body => $BODY, extra => $values,
        %opt);
    my %missing = map { $_ => $values->{$_} }
        grep { my $n = $_; !grep { lc $_->[0] eq $n } @{$request{headers}} }
        keys %$values;
    $request{headers} = Plum::Sign::override($request{headers},
        [map { [$_, $missing{$_}] } sort keys %missing]);
    return \%request;
}


# the same delivery with other values, under the signature that was recorded

sub cut {
    my ($recorded, %values) = @_;

    return {%$recorded, headers => Plum::Sign::override($recorded->{headers},
        [map { [$_, $values{$_}] } sort keys %values])};
}


sub recorded {
    for my $name (qw(event colon dots)) {
        my ($between) = $TEMPLATE{$name} =~ /Event\}(\W+)\{/;
        my $honest = sign($name,
            {'x-event' => 'refund', 'x-id' => '77'});
        $cases->accept("$name: refund, 77", $honest);

        # signed by the sender, and recorded: neither it nor its like passes
        my $dotted = sign($name, {'x-event' => "refund${between}created",
            'x-id' => '77'});
        $cases->refuse("$name: the event holds a separator", $dotted,
            $MALFORMED);
        $cases->refuse("$name: ... cut in another place",
            cut($dotted, 'x-event' => 'refund',
                'x-id' => "created${between}77"), $MALFORMED);
    }

    my $honest = sign('dots', {'x-event' => 'refund.created', 'x-id' => '7'});
    $cases->accept('dots: one is no separator', $honest);
    $cases->refuse('dots: an overlap',
        sign('dots', {'x-event' => 'refund.', 'x-id' => '7'}), $MALFORMED);
    $cases->refuse('dots: an overlap, from the other side',
        sign('dots', {'x-event' => 'refund', 'x-id' => '.7'}), $MALFORMED);

    # into the body and out of it
    my $long = sign('event', {'x-event' => 'a', 'x-id' => 'b'},
        ts => time(), body => '{"x":".1.{}"}');
    $cases->accept('event: a body with all of it', $long);
    $cases->refuse('event: cut in the body', {%{cut($long,
        'x-id' => 'b.' . time() . '.{"x":"', 'x-time' => time())},
        body => '{}"}'}, $MALFORMED);
    return;
}


sub values_of_headers {
    my %both = ('x-event' => 'order', 'x-id' => '1');

    for my $name (sort keys %TEMPLATE) {
        $cases->accept("$name: as it should be", sign($name, \%both));
    }
    for my $name (qw(event colon dots around)) {
        $cases->refuse("$name: no $_", cut(sign($name, \%both), $_ => undef),
            'credential_missing') for 'x-event', 'x-id';
        $cases->refuse("$name: empty $_", cut(sign($name, \%both), $_ => ''),
            'credential_missing') for 'x-event', 'x-id';
    }

    for my $value ('order-1_2:3/4', '{"a":[1]}', 'order 1', "a\tb", '~!@#$%',
        "\xc3\xa9")
    {
        $cases->accept("event: $value",
            sign('event', {%both, 'x-event' => $value}));
        $cases->accept("after: $value",
            sign('after', {%both, 'x-event' => $value}));
    }
    $cases->refuse("after: $_", sign('after', {%both, 'x-event' => $_}),
        $MALFORMED) for 'a.b', '.', 'a.';
    $cases->refuse("around, event $_", sign('around',
        {%both, 'x-event' => $_}), $MALFORMED) for 'a|b', '|', 'a|';
    $cases->refuse("around, id $_", sign('around',
        {%both, 'x-id' => $_}), $MALFORMED) for 'a|b', '|', '|a';
    $cases->refuse("last: $_", sign('last', {%both, 'x-event' => $_}),
        $MALFORMED) for 'a}', '}', 'a b', ']';
    $cases->accept("last: $_", sign('last', {%both, 'x-event' => $_}))
        for 'a.b', '[{';
    return;
}


sub uris {
    $cases->accept("uri: $_", sign('uri', {}, uri => "/uri$_"))
        for '', '/a?b=1&c=%2E', '/[x]', '//:';
    $cases->refuse("uri: $_", sign('uri', {}, uri => "/uri$_"), $MALFORMED)
        for '.php', '/a?v=1.5', '/.';
    $cases->accept("beside: $_", sign('beside', {}, uri => "/beside$_"))
        for '', '.php?x=1.5', '//', ']';
    $cases->refuse("beside: $_", sign('beside', {}, uri => "/beside$_"),
        $MALFORMED) for '[', '?x[]=1', '{';
    return;
}


# ids of all kinds, with the presets' separators

sub presets {
    for my $name (qw(standard-webhooks svix)) {
        $cases->accept("$name: id $_", +{$t->signed(scheme => $name,
            uri => "/$name", secret => $SECRET, body => $BODY, id => $_)})
            for 'msg_2Lh9KRb0pzN4LePd3XiA4v12Axj', 'a', '-', 'a:b', 'a/b+c=',
            '{a}', 'a b', '0d9a-12;x', '9' x 200;
        $cases->refuse("$name: id $_", +{$t->signed(scheme => $name,
            uri => "/$name", secret => $SECRET, body => $BODY, id => $_)},
            $MALFORMED) for 'a.b', '.', 'a.', '.a',
            'a.1700000000.{"x":"y"}';
    }
    for my $name (qw(stripe slack zendesk)) {
        $cases->accept("$name: $_", +{$t->signed(scheme => $name,
            uri => "/$name", secret => $SECRET, body => $_)},
            body => s/\A\s+|\s+\z//gr)
            for $BODY, '{"a":"v0:1.2:3"}', "[1]\n", ' {} ';
    }
    return;
}


# an id beside a date and time, and that beside the body

sub twitch {
    my @now = gmtime;
    my $sign = sub { +{$t->signed(scheme => 'twitch', uri => '/twitch',
        secret => $SECRET, body => $BODY, id => $_[0], ts => $_[1])} };
    my $time = strftime('%Y-%m-%dT%H:%M:%S', @now);

    $cases->accept("twitch: id $_", $sign->($_, "${time}.634234626Z"))
        for 'e76c6bd4-55c9-4987-8304-da1588d8988b', 'a', '2026', 'T',
        '2026-03-04T00:00:00Z', 'a.b:c';
    $cases->accept("twitch: time $_", $sign->('a1', $_))
        for "${time}Z", "$time+00:00", $time, $time =~ s/T/ /r;
    $cases->refuse("twitch: time $_", $sign->('a1', $_), $MALFORMED)
        for time(), time() . '000', '0' . time();
    $cases->refuse("twitch: id $_", $sign->($_, "${time}Z"), $MALFORMED)
        for 'a{', 'a[', 'a b';

    my $recorded = $sign->('a1', "${time}Z");
    $cases->refuse("twitch: cut in another place", cut($recorded,
        'twitch-eventsub-message-id' => 'a',
        'twitch-eventsub-message-timestamp' => "1${time}Z"), $MALFORMED);
    return;
}
