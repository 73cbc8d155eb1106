package Plum::RedisCli;

# A dialogue with redis-cli, which brings TLS, ACL users and clusters with it.
#
#   my $cli = Plum::RedisCli->new(program => 'redis-cli', options => [...]);
#   my $value = $cli->command('GET', $key);    # dies on an error reply
#   my @values = $cli->commands([...], ...);   # one after another
#
# Commands are written to its standard input, a line each, so that a body is
# not an argument which other users see; replies are read as JSON.  Texts are
# bytes.

use strict;
use warnings;

use IPC::Open3 qw(open3);
use JSON::PP ();

my $JSON = JSON::PP->new->allow_nonref;


# %opt: program, options (of redis-cli, as on its command line)

sub new {
    my ($class, %opt) = @_;

    my $self = bless {%opt}, $class;
    $self->{pid} = eval {
        open3($self->{in}, $self->{out}, undef, $opt{program},
            @{$opt{options}}, '--json');
    } or die "cannot run $opt{program}: install it, or name another one "
        . "with --redis-cli\n";
    return $self;
}


# the same with another node of the cluster

sub at {
    my ($self, $host, $port) = @_;

    my $class = ref $self;
    return $class->new(program => $self->{program},
        options => [@{$self->{options}}, '-h', $host, '-p', $port]);
}


sub command {
    my ($self, @argv) = @_;

    my ($reply) = $self->commands([@argv]);
    die "$argv[0]: $reply->{error}\n" if ref $reply eq 'Plum::RedisCli::Error';
    return $reply;
}


# error replies are objects with an {error}

sub commands {
    my ($self, @commands) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my @replies;
    for my $argv (@commands) {
        my $line = join(' ', map { quoted($_) } @$argv) . "\n";
        print({$self->{in}} $line) and $self->{in}->flush;
        push @replies, $self->reply;
    }
    return @replies;
}


sub quoted {
    my ($text) = @_;

    return '"' . $text =~ s/([^\w .:,*()\[\]=~<>'\/+-])/
        sprintf '\\x%02x', ord $1/gerx . '"';
}


# what is no reply is a complaint of redis-cli, or a remark

sub reply {
    my ($self) = @_;

    while (defined(my $line = readline $self->{out})) {
        next if $line =~ /\A(?:Warning:|-> Redirected)/;

        my ($error, $json) = $line =~ /\A(error:)?(.*)\Z/;
        my $value = eval { $JSON->decode($json) };
        die "$self->{program}: $line" if $@;
        return $error ? bless({error => $value}, 'Plum::RedisCli::Error')
            : $value;
    }
    die "$self->{program} has ended without an answer\n";
}


sub DESTROY {
    my ($self) = @_;

    return if !$self->{pid};
    local ($?, $@);
    close $self->{in};
    close $self->{out};
    waitpid $self->{pid}, 0;
    return;
}

1;
