from __future__ import annotations

from typing import Any

from vivavoce.agent.turns import TurnSettings
from vivavoce.media import END_MS, PAUSE_MS, Closed, Confirmed, Dtmf, SpeechEnd, SpeechPause, SpeechResume, SpeechStart

SCRIPT = """
name: one
start: hello
person: desk
slots:
  name: {type: text, ask: "And your name?"}
  phone: {type: phone}
  number: {type: text}
silence: {after_s: 5, times: 2, say: "Hello?", to: bye}
unclear: {times: 2, say: "Sorry?", to: desk}
states:
  hello:
    say: What can I do for you today?
    go:
      - {to: ask, said: [book]}
      - {to: bye, said: [nothing]}
  ask: {say: "Your name?", fill: [name], go: [{to: save, when: name}], interrupt: strict}
  save:
    say: One moment.
    request: {url: "https://example.org/{name}", fill: {number: n}, failed: desk}
    go: [{to: call}]
  call: {say: "It is {number}. Your phone?", fill: [phone], go: [{to: bye, when: phone}]}
  desk: {say: I connect you., transfer: "+15550100"}
  bye: {say: Goodbye then., hang_up: true}
"""
LONG = SCRIPT.replace("Your name?", "Will you tell me now what your name is, please?")
GREETING = "What can I do for you today?"


def test_a_turn_is_answered_when_its_silence_has_lasted(stage: Any) -> None:
    ends: list[float] = []

    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(800)
        ends.append(stage.now_ms())

    played = stage.play(SCRIPT, ["nothing"], caller)
    # Thought while it was silent: the answer comes with the decision, 600 ms after the last word.
    assert [at for at, _ in played.telephone.played] == [0.0, ends[0] - END_MS + 600.0]
    assert played.said == [("agent", GREETING, False), ("caller", "nothing", False), ("agent", "Goodbye then.", False)]
    assert played.telephone.policies == ["patient", "off"]


def test_who_goes_on_is_not_answered_before(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(500)
        await stage.after(400)
        await telephone.speaks(500)

    played = stage.play(SCRIPT, ["nothing"], caller)
    assert len(played.telephone.played) == 2
    assert [one for one in played.said if one[0] == "caller"] == [("caller", "nothing", False)]


def test_what_was_heard_of_a_line_that_is_interrupted(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(650)
        await telephone.speaks(500, interrupts=True)

    played = stage.play(SCRIPT, ["nothing"], caller)
    assert played.said[:2] == [("agent", "What can I", True), ("caller", "nothing", False)]


def test_who_says_yes_while_we_speak_is_not_answered(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(300)
        await telephone.speaks(200)
        await stage.after(2000)
        await telephone.speaks(500)

    played = stage.play(SCRIPT, ["mm-hm", "nothing"], caller)
    assert [text for who, text, _ in played.said if who == "caller"] == ["nothing"]


def test_silence_is_asked_about_and_ends(stage: Any) -> None:
    async def caller(_: Any) -> None:
        return

    played = stage.play(SCRIPT, [], caller)
    assert [text for _, text, _ in played.said] == [GREETING, "Hello?", GREETING, "Goodbye then."]
    # After 1.4 s of greeting and 5 s of silence.
    assert played.telephone.played[1][0] == 6400.0


def test_a_request_is_made_and_its_answer_said(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        for ms in (2000, 2000):
            await stage.after(ms)
            await telephone.speaks(300)
        await stage.after(6000)
        for digit in "2125550123#":
            telephone.tell(Dtmf(digit))

    played = stage.play(SCRIPT, ["book", "Ada"], caller, answer={"number": "7"})
    assert [fetch.url for fetch in played.fetched] == ["https://example.org/Ada"]
    assert [text for _, text, _ in played.said][4:] == [
        "One moment.", "It is 7. Your phone?", "2125550123", "Goodbye then.",
    ]  # fmt: skip


def test_a_request_that_fails_leads_to_a_person(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        for ms in (2000, 2000):
            await stage.after(ms)
            await telephone.speaks(300)

    played = stage.play(SCRIPT, ["book", "Ada"], caller)
    assert played.conversation.transfer == "+15550100"
    assert played.said[-1] == ("agent", "I connect you.", False)


def test_a_call_that_ends_amid_a_thought(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        await stage.after(100)
        telephone.tell(Closed("peer closed"))

    played = stage.play(SCRIPT, ["nothing"], caller)
    assert played.said == [("agent", GREETING, False)]
    assert not played.conversation.moment.over


def test_fixed_lines_are_made_once(stage: Any) -> None:
    async def caller(_: Any) -> None:
        return

    played = stage.play(SCRIPT, [], caller)
    assert sorted(played.speaker.texts) == sorted({GREETING, "Hello?", "Goodbye then."})


def test_a_voice_that_fails_leaves_the_caller_to_a_person(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)

    played = stage.play(SCRIPT, ["book"], caller, fails_after=1)
    assert played.conversation.transfer == "+15550100"
    assert str(played.conversation.failure) == "no voice"


def test_after_an_interruption_the_call_goes_on(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(650)
        await telephone.speaks(500, interrupts=True)
        await stage.after(5000)
        await telephone.speaks(500)

    played = stage.play(SCRIPT, ["book", "nothing"], caller)
    assert [text for who, text, _ in played.said if who == "caller"] == ["book", "nothing"]
    assert played.said[0] == ("agent", "What can I", True)


def test_an_ear_that_fails_leaves_the_caller_to_a_person(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)

    played = stage.play(SCRIPT, ["book"], caller, deaf=True)
    assert played.conversation.transfer == "+15550100"
    assert str(played.conversation.failure) == "no ear"


def test_who_goes_on_just_after_our_answer_is_answered_as_a_whole(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(500)
        await stage.after(700)
        await telephone.speaks(600, interrupts=True)

    played = stage.play(SCRIPT, ["book"], caller)
    # "Your name?" was begun after 600 ms and taken back: all that was said is one turn, in the state that was left.
    assert [(who, text) for who, text, _ in played.said][:3] == [
        ("agent", GREETING),
        ("agent", "Your"),
        ("caller", "book"),
    ]
    assert [(turn.text, turn.state) for turn in played.conversation.turns] == [("book", "hello")]
    assert len(played.conversation.cuts) == 1
    assert played.recogniser.resets == 0


def test_who_speaks_up_later_says_something_new(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(500)
        await stage.after(1200)
        await telephone.speaks(600, interrupts=True)

    played = stage.play(LONG, ["book", "Ada"], caller)
    assert [turn.text for turn in played.conversation.turns] == ["book", "Ada"]


def test_keys_interrupt_and_end_when_no_more_come(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(500)
        for digit in "12":
            telephone.tell(Dtmf(digit))
            await stage.after(400)

    played = stage.play(SCRIPT, [], caller)
    assert played.said[0] == ("agent", "What can", True)
    assert ("caller", "12", False) in played.said
    # The reply comes 2.5 s after the last key.
    assert played.telephone.played[1][0] == 900.0 + 2500.0


def test_silence_while_keys_are_pressed_is_no_end_of_a_turn(stage: Any) -> None:
    """Asterisk sends no sound meanwhile, which looks like an end of speech."""

    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        telephone.tell(Dtmf("1"))
        await telephone.speaks(300)

    played = stage.play(SCRIPT, ["nothing"], caller)
    assert [text for who, text, _ in played.said if who == "caller"] == ["1"]


def test_a_noise_is_no_turn(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)

    played = stage.play(SCRIPT, [""], caller)
    assert [text for _, text, _ in played.said] == [GREETING, "Hello?", GREETING, "Goodbye then."]


def test_a_turn_that_sounds_complete_is_answered_sooner(stage: Any) -> None:
    quick = TurnSettings(sure_at=0.0, sure_ms=300.0, likely_at=0.0, likely_ms=300.0, most_ms=900.0)
    silences_ms: list[float] = []
    for text in ("nothing.", "nothing and"):

        async def caller(telephone: Any) -> None:
            await stage.after(2000)
            await telephone.speaks(300)

        turn = stage.play(SCRIPT, [text], caller, turns=quick).conversation.turns[0]
        silences_ms.append((turn.decided_ns - turn.silent_ns) / 1e6)
    assert silences_ms == [300.0, 900.0]


def test_who_may_be_speaking_again_is_not_cut_off(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        await stage.after(20)
        for n in range(20):
            # From 580 to 680 ms after the last word something is heard that turns out to be no voice.
            silent_ms = END_MS + 20 + 40 * n
            telephone.sounds(3000 if 580 <= silent_ms < 680 else 10)
            await stage.after(40)

    turn = stage.play(SCRIPT, ["nothing"], caller).conversation.turns[0]
    assert (turn.decided_ns - turn.silent_ns) / 1e6 == 720.0


def test_a_decision_before_the_end_of_speech_is_certain_can_be_taken_back(stage: Any) -> None:
    at_once = TurnSettings(sure_at=-9.0, sure_ms=100.0, likely_at=-9.0, likely_ms=100.0, most_ms=100.0)

    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        # The answer has begun, after 144 ms of silence, when the end becomes certain, after 200.
        await telephone.speaks(500)
        await stage.after(100)
        await telephone.speaks(600, interrupts=True)

    played = stage.play(LONG, ["book"], caller, turns=at_once)
    assert [(turn.text, turn.state) for turn in played.conversation.turns] == [("book", "hello")]
    assert played.recogniser.resets == 0


def test_who_resumes_after_a_decision_takes_it_back(stage: Any) -> None:
    at_once = TurnSettings(sure_at=-9.0, sure_ms=100.0, likely_at=-9.0, likely_ms=100.0, most_ms=100.0)

    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        telephone.tell(SpeechStart(0))
        await stage.after(500 + PAUSE_MS)
        telephone.tell(SpeechPause(0))
        await stage.after(110)
        telephone.tell(SpeechResume(0))
        telephone.tell(Confirmed(100.0, 30.0))
        await stage.after(500 + PAUSE_MS)
        telephone.tell(SpeechPause(0))
        await stage.after(END_MS)
        telephone.tell(SpeechEnd(0))

    played = stage.play(LONG, ["book"], caller, turns=at_once)
    assert [(turn.text, turn.state) for turn in played.conversation.turns] == [("book", "hello")]


def test_words_that_follow_a_noise_are_heard(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        telephone.tell(SpeechStart(0))
        await stage.after(100)
        telephone.tell(SpeechPause(0))
        # The recogniser hears nothing in it by then.
        await stage.after(100)
        played_texts[0] = "nothing"
        telephone.tell(SpeechResume(0))
        await stage.after(500)
        telephone.tell(SpeechPause(0))
        await stage.after(END_MS)
        telephone.tell(SpeechEnd(0))

    played_texts = [""]
    played = stage.play(SCRIPT, played_texts, caller)
    assert [text for who, text, _ in played.said if who == "caller"] == ["nothing"]


def test_a_key_after_a_cough_does_not_take_a_decision_back(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        # The answer begins 400 ms later, a cough soon after, and a key much later.
        await stage.after(450)
        await telephone.speaks(50)
        await stage.after(1500)
        telephone.tell(Dtmf("7"))

    played = stage.play(LONG, ["book", ""], caller)
    assert [turn.state for turn in played.conversation.turns] == ["hello"]
    assert ("caller", "7", False) in played.said
    assert played.conversation.moment.values.get("name") == "7"


def test_who_goes_on_through_a_short_reply_is_answered_as_a_whole(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        # "Your name?" is heard from 400 to 800 ms later, and to its end.
        await stage.after(500)
        await telephone.speaks(900)

    played = stage.play(SCRIPT, ["book"], caller)
    assert [(turn.text, turn.state) for turn in played.conversation.turns] == [("book", "hello")]
    assert [text for who, text, _ in played.said if who == "caller"] == ["book"]


def test_what_was_heard_of_lines_before_and_after_a_request(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        await stage.after(2000)
        await telephone.speaks(300)
        # "One moment." plays for 400 ms from 400 ms on; what follows the request, 50 ms later, is queued behind it.
        await stage.after(400 + 400 + 650)
        await telephone.speaks(300, interrupts=True)

    played = stage.play(SCRIPT, ["book", "Ada", "2125550123"], caller, answer={"number": "7"}, fetch_ms=50.0)
    assert ("agent", "One moment.", False) in played.said
    assert ("agent", "It is 7.", True) in played.said


def test_an_answer_without_words_is_given_once(stage: Any) -> None:
    at_once = TurnSettings(sure_at=-9.0, sure_ms=100.0, likely_at=-9.0, likely_ms=100.0, most_ms=100.0)
    script = """
name: two
start: a
slots: {x: {type: text}, y: {type: text}}
silence: {after_s: 5, times: 1, say: "Hello?", to: bye}
states:
  a: {fill: [x, y], go: [{to: bye, when: x and y}]}
  bye: {say: Goodbye then., hang_up: true}
"""

    async def caller(telephone: Any) -> None:
        await stage.after(1000)
        await telephone.speaks(300)

    played = stage.play(script, ["one"], caller, turns=at_once)
    assert [text for who, text, _ in played.said if who == "caller"] == ["one"]
    assert "y" not in played.conversation.moment.values


def test_the_end_key_alone_ends_what_is_said(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(300)
        telephone.tell(Dtmf("#"))

    played = stage.play(SCRIPT, ["nothing"], caller)
    # 80 ms for the recogniser instead of 400 ms more of silence.
    assert played.telephone.played[1][0] == 2500.0 + 80.0


def test_digits_get_more_patience(stage: Any) -> None:
    waits_ms: list[float] = []
    for text in ("Ada", "twenty", "2 5"):

        async def caller(telephone: Any) -> None:
            for _ in range(2):
                await stage.after(2000)
                await telephone.speaks(300)

        turns = stage.play(SCRIPT, ["book", text], caller).conversation.turns
        waits_ms.append((turns[1].decided_ns - turns[1].silent_ns) / 1e6)
    assert waits_ms == [600.0, 600.0, 1300.0]


def test_what_is_kept_is_what_was_heard(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(2000)
        await telephone.speaks(500)
        await stage.after(700)
        await telephone.speaks(600, interrupts=True)
        await stage.after(100)
        telephone.tell(Closed("peer closed"))

    played = stage.play(SCRIPT, ["book"], caller)
    # The decision was kept, and then that it was taken back.
    assert ("ask", (GREETING, "book")) in played.kept
    assert played.kept[-1] == ("hello", (GREETING, "Your"))


def test_who_did_not_hear_the_question_is_asked_again_and_not_blamed(stage: Any) -> None:
    async def caller(telephone: Any) -> None:
        await stage.after(650)
        await telephone.speaks(500, interrupts=True)

    played = stage.play(SCRIPT, ["well I"], caller)
    assert [text for _, text, _ in played.said][:3] == ["What can I", "well I", GREETING]
    assert played.conversation.moment.unclear == 0
