#!/usr/bin/perl

# Secrets against what their scheme can receive: nginx -t refuses those that
# no request can fit, says which file, where it is used and what to do, and
# never a byte of them; what only looks wrong is warned of.  What it lets pass
# in silence does work.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode qw(encode);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my $WORD = 'Correct-Horse_Battery.Staple-0123';
my $DIR = '%%TESTDIR%%';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $heard = '';

impossible();
public_keys();
doubtful();
several();
fine();
at_work();

unlike($heard, qr/Horse|Battery|Staple/, 'no secret in what was said');
$t->done_testing;


# the output of nginx -t with these bytes as the secret of a scheme

sub try_secret {
    my ($scheme, $bytes, $encoding) = @_;

    $t->secret('key', $bytes);
    my $parameters = $scheme eq 'hmac' ? 'header=x-sig'
        : $scheme eq 'body-token' ? 'path=token' : '';
    my ($status, $said) = $t->test_config(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key $DIR/key encoding=@{[$encoding || 'raw']};
    plum_store memory memory:1m;
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            plum on;
            plum_signature $scheme secret=key $parameters;
            plum_idempotency memory;
            plum_idempotency_key \$plum_body_sha256;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
    $heard .= $said;
    return ($status, $said);
}


sub line_of {
    my @lines = split /\n/, $t->read_file('config-test.conf');
    my ($n) = grep { $lines[$_ - 1] =~ /plum_signature/ } 1 .. @lines;
    return $t->path('config-test.conf') . ":$n";
}


sub impossible {
    my $path = $t->path('key');
    my $utf16 = sub { encode($_[0], "$WORD\n") };

    for my $case (
        ['api-key', 'a byte order mark', "\xef\xbb\xbf$WORD\n",
            'byte order mark'],
        ['api-key', 'a NUL', "$WORD\0\n", 'control character'],
        ['api-key', 'a NUL inside', "Horse\0Battery", 'control character'],
        ['api-key', 'CR', "$WORD\r\r\n", 'line end'],
        ['api-key', 'CR alone', "$WORD\r", 'line end'],
        ['api-key', 'a second newline', "$WORD\n\n", 'line end'],
        ['api-key', 'two lines', "$WORD\n$WORD\n", 'line end'],
        ['api-key', 'a space behind', "$WORD \n", 'a space or a tab'],
        ['api-key', 'a space in front', " $WORD\n", 'a space or a tab'],
        ['api-key', 'a tab behind', "$WORD\t\n", 'a space or a tab'],
        ['api-key', 'a tab in front', "\t$WORD\n", 'a space or a tab'],
        ['api-key', 'an escape', "\e[1m$WORD\n", 'control character'],
        ['api-key', 'DEL', "$WORD\x7f\n", 'control character'],
        ['api-key', 'UTF-16', $utf16->('UTF-16'), 'UTF-16'],
        ['api-key', 'UTF-16LE', $utf16->('UTF-16LE'), 'UTF-16'],
        ['api-key', 'UTF-16BE', $utf16->('UTF-16BE'), 'UTF-16'],
        ['api-key', '8193 bytes', 'x' x 8193, '8192 bytes'],
        ['api-key', 'random bytes', encode_base64("\x01\x02" x 16, ''),
            'control character', 'base64'],
        ['api-key', 'random digits', '01ff' x 16, 'control character',
            'hex'],
        ['body-token', '513 bytes', 'x' x 513, '512 bytes'],
        ['body-token', 'Latin-1', "Stapl\xe9-and-many-bytes", 'not UTF-8'],
        ['body-token', 'a surrogate', "\xed\xa0\x80$WORD", 'not UTF-8'],
        ['body-token', 'UTF-16', $utf16->('UTF-16'), 'not UTF-8'],
        ['body-token', 'random bytes', 'ff' x 32, 'not UTF-8', 'hex'],
        ['hmac', 'a public key', 'whpk_' . encode_base64('A' x 32, ''),
            'public key, which is no secret'],
        ['standard-webhooks', 'a public key',
            'whpk_' . encode_base64('A' x 32, ''), 'encoding=whpk'])
    {
        my ($scheme, $what, $bytes, $want, $encoding) = @$case;
        my ($status, $said) = try_secret($scheme, $bytes, $encoding);
        isnt($status, 0, "$scheme, $what: refused");
        like($said, qr/\[emerg\]\ secret\ "key\#1"\ of\ file\ "\Q$path\E"
            \ cannot\ work\ with\ scheme\ "$scheme":\ it\ .*\Q$want\E
            .*\ in\ \Q@{[line_of()]}\E$/mx, '... and why');
    }
    return;
}


# none of which OpenSSL says a word about

sub public_keys {
    my %why = (
        'small order' => [qw(
            0100000000000000000000000000000000000000000000000000000000000000
            ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
            0000000000000000000000000000000000000000000000000000000000000000
            0000000000000000000000000000000000000000000000000000000000000080
            26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
            26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85
            c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a
            c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa
        )],
        'no point of the curve' => [qw(
            0200000000000000000000000000000000000000000000000000000000000000
            4141414141414141414141414141414141414141414141414141414141414141
        )],
        'no canonical' => [qw(
            eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
            0100000000000000000000000000000000000000000000000000000000000080
            ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
        )],
    );

    for my $why (sort keys %why) {
        for my $hex (@{$why{$why}}) {
            my ($status, $said) = try_secret('svix',
                encode_base64(pack('H*', $hex), ''), 'whpk');
            isnt($status, 0, "whpk $hex: refused");
            like($said, qr/\[emerg\] secret "key#1" .*\Q$why\E/, "... $why");
        }
    }

    for my $scheme (qw(hmac stripe github api-key body-token)) {
        my ($status, $said) = try_secret($scheme,
            encode_base64(pack('H*', 'd75a980182b10ab7d54bfed3c964073a'
                . '0ee172f3daa62325af021a68f707511a'), ''), 'whpk');
        isnt($status, 0, "whpk with $scheme: refused");
        like($said, qr/"key#1" is a public key, which scheme "$scheme"/,
            '... by name');
    }
    return;
}


sub doubtful {
    for my $case (
        ['hmac', 'a byte order mark', "\xef\xbb\xbf$WORD\n",
            'byte order mark'],
        ['github', 'CR', "$WORD\r", 'white space'],
        ['stripe', 'a second newline', "$WORD\n\n", 'white space'],
        ['slack', 'a space', "$WORD \n", 'white space'],
        ['hmac', 'UTF-16', encode('UTF-16', "$WORD\n"), 'UTF-16'],
        ['hmac', 'UTF-16LE', encode('UTF-16LE', "$WORD\n"), 'UTF-16'],
        ['standard-webhooks', 'whsec_', "whsec_$WORD\n", 'encoding=whsec'],
        ['body-token', 'a second newline', "$WORD\n\n", 'white space'],
        ['api-key', 'UTF-8', "$WORD-\xc3\xa9\n", 'not ASCII'])
    {
        my ($scheme, $what, $bytes, $want) = @$case;
        my ($status, $said) = try_secret($scheme, $bytes);
        is($status, 0, "$scheme, $what: allowed");
        like($said, qr/\[warn\]\ secret\ "key\#1"\ .*\ looks\ wrong\ for
            \ scheme\ "$scheme":\ it\ .*\Q$want\E.*
            \ in\ \Q@{[line_of()]}\E$/mx, '... and warned of');
    }
    return;
}


# the one of several that is wrong is named; of two schemes, the one it does
# not suit

sub several {
    $t->secret('good', $WORD);
    $t->secret('bad', "$WORD ");
    my $conf = <<"CONF";
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key $DIR/good;
    plum_secret key $DIR/bad;
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            plum on;
            plum_signature stripe secret=key;
            plum_signature api-key secret=key;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
    my ($status, $said) = $t->test_config($conf);
    $heard .= $said;
    isnt($status, 0, 'the second of two: refused');
    like($said, qr{\[emerg\]\ secret\ "key\#2"\ of\ file\ "[^"]*/bad"
        \ cannot\ work\ with\ scheme\ "api-key"}x, '... and named');

    # where plum is off nothing is received
    ($status, $said) = $t->test_config($conf =~ s/plum on/plum off/r);
    is($status, 0, 'not used: allowed') or diag($said);
    return;
}


sub fine {
    for my $case (
        ['api-key', 'a newline', "$WORD\n"],
        ['api-key', 'a newline of Windows', "$WORD\r\n"],
        ['api-key', 'a space and a tab inside', "Horse of\tBattery"],
        ['api-key', '8192 bytes', 'x' x 8192],
        ['body-token', '512 bytes', 'x' x 512],
        ['body-token', 'UTF-8', "$WORD-\xc3\xa9"],
        ['body-token', 'controls', "Horse\0\e\"\\Battery"],
        ['hmac', 'bytes', join '', map { chr } 0 .. 255],
        ['hmac', 'bytes that end like text', join '', map { chr } 200 .. 240,
            32, 9, 13],
        ['hmac', 'more than 512 bytes', 'x' x 4096],
        ['stripe', 'whsec_', "whsec_$WORD\n"],
        ['standard-webhooks', 'whsec', 'whsec_'
            . encode_base64("\xef\xbb\xbf$WORD \n", ''), 'whsec'],
        ['svix', 'whpk', 'whpk_' . encode_base64(pack('H*',
            'd75a980182b10ab7d54bfed3c964073a'
            . '0ee172f3daa62325af021a68f707511a'), ''), 'whpk'])
    {
        my ($scheme, $what, $bytes, $encoding) = @$case;
        my ($status, $said) = try_secret($scheme, $bytes, $encoding);
        is($status, 0, "$scheme, $what: allowed");
        unlike($said, qr/\[(?:warn|emerg)\]/, '... in silence');
    }
    return;
}


# the edges of what is allowed, received

sub at_work {
    my %api = (inside => "Horse of\tBattery \x7e", utf8 => "$WORD-\xc3\xa9",
        long => 'k' x 7900);
    my %token = (long => 'x' x 512, quotes => "Horse\"\\/Battery and more",
        controls => "Horse\0\x01\x1f\x7fBattery", utf8 => "$WORD-\xc3\xa9",
        white => "\n$WORD\t");

    $t->secret("api-$_", $api{$_}) for keys %api;
    $t->secret("token-$_", $token{$_}) for keys %token;
    $t->secret('good', $WORD);
    my $secrets = join "\n", map { "plum_secret $_ $DIR/$_;" } 'good',
        (map { "api-$_" } sort keys %api),
        (map { "token-$_" } sort keys %token);
    my $locations = join "\n",
        map { "location /$_->[0] { plum on; plum_signature $_->[1]"
            . " secret=$_->[0]; proxy_pass http://127.0.0.1:%%PORT_up%%; }" }
        ['good', 'github'], (map { ["api-$_", 'api-key'] } sort keys %api),
        (map { ["token-$_", 'body-token path=token'] } sort keys %token);

    $t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    @{[Test::Plum::Cases->log_format]}
    $secrets
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        @{[Test::Plum::Cases->access_log]}
        $locations
    }
}
CONF
    $t->run;
    my $cases = Test::Plum::Cases->new($t, $up, good => sub {
        return $t->signed(scheme => 'github', uri => '/good',
            secret => $WORD) });
    my $json = ['content-type', 'application/json'];

    for my $name (sort keys %api) {
        my %request = (method => 'POST', uri => "/api-$name", body => '{}');
        $cases->accept("api-key, $name", {%request,
            headers => [$json, ['x-api-key', $api{$name}]]});
        $cases->refuse("api-key, $name, changed", {%request,
            headers => [$json, ['x-api-key', "$api{$name}x"]]},
            'credential_mismatch');
    }
    for my $name (sort keys %token) {
        my $text = $token{$name} =~
            s/([\x00-\x1f"\\])/sprintf '\\u%04x', ord $1/ger;
        my %request = (method => 'POST', uri => "/token-$name",
            headers => [$json]);
        $cases->accept("body-token, $name",
            {%request, body => qq({"token":"$text"})});
        $cases->refuse("body-token, $name, changed",
            {%request, body => qq({"token":"${text}x"})},
            'credential_mismatch');
    }
    $cases->finish;
    return;
}
