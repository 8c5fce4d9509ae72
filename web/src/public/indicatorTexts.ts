/**
 * What values mean, for citizens: Dutch of level B1, and plain English. Limits and sources are those of the indicators
 * themselves (twin/indicators); what is "sure" follows from how they are measured.
 */

import { catalogue } from "../language/catalogue";

export interface IndicatorText {
  readonly what: string;
  readonly means: string;
  readonly from: string;
  readonly sure: string;
}

/** The explained values, in the order of the page. */
export const EXPLAINED = [
  "lki",
  "eaqi",
  "pm2_5",
  "pm10",
  "no2",
  "o3",
  "noise_level",
  "air_temperature",
  "rainfall",
  "wind_speed",
  "water_level",
  "freeboard_share",
  "speed_ratio",
  "traffic_flow",
  "bicycle_count",
  "pedestrian_count",
  "transformer_load",
  "solar_feed_in",
] as const;

export type Explained = (typeof EXPLAINED)[number];

export const indicatorTexts = catalogue<Readonly<Record<Explained, IndicatorText>>>({
  en: {
    lki: {
      what: "The Dutch air quality index. It combines particulate matter, nitrogen dioxide and ozone into one number from 1 to 11.",
      means: "1 is clean air, 11 is very bad. At a high number, people with a lung or heart disease can have complaints. They had better take it easy outdoors.",
      from: "The computer calculates it each hour from the sensors in the neighbourhood, by the rules of the institute for public health (RIVM).",
      sure: "It gives a good idea of the class. Small sensors are less exact than official measuring stations.",
    },
    eaqi: {
      what: "The European air quality index, in six levels from good (1) to extremely poor (6).",
      means: "With it you can compare the air here with other cities in Europe. The higher the level, the worse for your health.",
      from: "The computer calculates it each hour from the sensors, by the rules of the European Environment Agency.",
      sure: "It gives a good idea of the level. Small sensors are less exact than official measuring stations.",
    },
    pm2_5: {
      what: "Very small particles in the air, smaller than 2.5 thousandths of a millimetre. They come from traffic, wood fires and industry.",
      means: "You breathe them in deeply. Less is always better, most of all for children, older people and people with a lung disease.",
      from: "From small air sensors, many of them on lamp posts.",
      sure: "In damp air and fog such a sensor often shows too much. Look at a few hours, not at one value.",
    },
    pm10: {
      what: "Small particles in the air, smaller than one hundredth of a millimetre. Dust of roads, tyres and sand is among them.",
      means: "Much of it can make you cough. Less is better for everybody.",
      from: "From small air sensors, many of them on lamp posts.",
      sure: "In damp air and fog such a sensor often shows too much. Look at a few hours, not at one value.",
    },
    no2: {
      what: "Nitrogen dioxide, a gas that comes mostly out of exhaust pipes.",
      means: "It is highest along busy roads. Much of it irritates the lungs.",
      from: "From air sensors in the neighbourhood.",
      sure: "Small sensors for this gas are less exact, and change with heat. Differences between places say more than one number.",
    },
    o3: {
      what: "Ozone near the ground. On sunny and hot days it forms out of polluted air; this is called smog.",
      means: "On days with much ozone, sports outdoors are better in the morning.",
      from: "From air sensors in the neighbourhood.",
      sure: "Small sensors for this gas are less exact, and change with heat.",
    },
    noise_level: {
      what: "How loud it is, in decibels. The sensor reckons as our ears do: dB(A).",
      means: "10 decibels more sounds about twice as loud. Much noise of traffic for years, above 53 decibels, is bad for sleep and heart.",
      from: "From sound meters. They keep only the number: nobody can listen in, and no sound is recorded.",
      sure: "The value is right for the place of the meter. Around the corner it can be much quieter.",
    },
    air_temperature: {
      what: "How warm the air is.",
      means: "From 25 degrees it is a summer day, from 30 a tropical one. In heat, drink enough and think of your neighbours.",
      from: "From weather stations and air sensors.",
      sure: "To about one degree. A sensor in the sun or against a wall shows too much.",
    },
    rainfall: {
      what: "How much rain fell, in millimetres. One millimetre is one litre on each square metre.",
      means: "When much falls within an hour, streets and cellars can flood.",
      from: "From weather stations in and around the city.",
      sure: "A shower can fall here and not a street further on.",
    },
    wind_speed: {
      what: "How hard it blows.",
      means: "In hard wind, branches can break, and cycling on dikes and bridges is harder.",
      from: "From weather stations in and around the city.",
      sure: "Between houses the wind is different than at the station.",
    },
    water_level: {
      what: "How high the water is in a canal, ditch or polder, compared with Amsterdam Ordnance Datum (NAP), about the level of the sea.",
      means: "In polders the water is below zero, and that is as it should be. What counts is how far it is from the usual level.",
      from: "From level meters of the water authority and the municipality.",
      sure: "To a few centimetres. Wind and passing boats make it swing for a while.",
    },
    freeboard_share: {
      what: "How much room the water has left before it reaches the danger level. 100 per cent: it is at its target level.",
      means: "The lower, the less room for rain. At 0 per cent the danger level is reached.",
      from: "The computer compares the level that was measured with the levels that are agreed for this water.",
      sure: "As sure as the measured level, so to a few centimetres.",
    },
    speed_ratio: {
      what: "How fast traffic drives, compared with a quiet road.",
      means: "At 1 you can drive on. Below 0.5 there is a traffic jam.",
      from: "From counting loops and radars along roads. They know no number plates.",
      sure: "Good on busy roads. With few cars one slow car changes the number.",
    },
    traffic_flow: {
      what: "How many vehicles pass in an hour.",
      means: "You see when a road is busy. More traffic mostly also means more noise and dirtier air.",
      from: "From counting loops and radars along roads. They count, and know no number plates.",
      sure: "To a few per cent.",
    },
    bicycle_count: {
      what: "How many bicycles passed.",
      means: "You see where and when many people cycle.",
      from: "From counting radars. They see that something passes, not who.",
      sure: "Cyclists side by side are sometimes counted as one.",
    },
    pedestrian_count: {
      what: "How many people walked past.",
      means: "You see how busy a square or street is, for instance when you want to avoid a crowd.",
      from: "From counting radars. They see that something passes, not who, and take no pictures.",
      sure: "In a dense crowd it counts too few.",
    },
    transformer_load: {
      what: "How heavily a transformer of the power grid is loaded. It supplies some streets with electricity.",
      means: "Above 100 per cent it carries more than it is made for. That can last for some time, but not long.",
      from: "From meters in the small electricity houses in the neighbourhood.",
      sure: "To a few per cent.",
    },
    solar_feed_in: {
      what: "How much electricity of solar panels the neighbourhood gives back to the grid.",
      means: "On sunny days you see how much power of the sun is left over.",
      from: "From smart meters, always of ten or more households together. What one household uses is nowhere to be seen.",
      sure: "It counts only the households that take part.",
    },
  },
  nl: {
    lki: {
      what: "De Nederlandse luchtkwaliteitsindex. Die maakt van fijnstof, stikstofdioxide en ozon één cijfer van 1 tot 11.",
      means: "1 is schone lucht, 11 is heel slecht. Bij een hoog cijfer kunnen mensen met een long- of hartziekte klachten krijgen. Zij kunnen het buiten beter rustig aan doen.",
      from: "De computer rekent dit elk uur uit met de sensoren in de buurt, volgens de regels van het RIVM.",
      sure: "U krijgt een goed beeld van de klasse. Kleine sensoren zijn minder precies dan officiële meetstations.",
    },
    eaqi: {
      what: "De Europese index voor luchtkwaliteit, met zes niveaus: van goed (1) tot extreem slecht (6).",
      means: "Hiermee vergelijkt u de lucht hier met andere steden in Europa. Hoe hoger het niveau, hoe slechter voor uw gezondheid.",
      from: "De computer rekent dit elk uur uit met de sensoren, volgens de regels van het Europees Milieuagentschap.",
      sure: "U krijgt een goed beeld van het niveau. Kleine sensoren zijn minder precies dan officiële meetstations.",
    },
    pm2_5: {
      what: "Heel kleine deeltjes in de lucht, kleiner dan 2,5 duizendste millimeter. Ze komen van verkeer, houtvuur en fabrieken.",
      means: "U ademt ze diep in. Minder is altijd beter, vooral voor kinderen, ouderen en mensen met een longziekte.",
      from: "Van kleine luchtmeters, vaak aan lantaarnpalen.",
      sure: "Bij vochtige lucht en mist meet zo'n sensor vaak te veel. Kijk naar een paar uur, niet naar één waarde.",
    },
    pm10: {
      what: "Kleine deeltjes in de lucht, kleiner dan een honderdste millimeter. Ook stof van wegen, banden en zand hoort erbij.",
      means: "Van veel fijnstof kunt u gaan hoesten. Minder is beter voor iedereen.",
      from: "Van kleine luchtmeters, vaak aan lantaarnpalen.",
      sure: "Bij vochtige lucht en mist meet zo'n sensor vaak te veel. Kijk naar een paar uur, niet naar één waarde.",
    },
    no2: {
      what: "Stikstofdioxide, een gas dat vooral uit de uitlaat van auto's komt.",
      means: "Langs drukke wegen is er het meeste van. Veel stikstofdioxide is slecht voor de longen.",
      from: "Van luchtmeters in de buurt.",
      sure: "Kleine sensoren meten dit gas minder precies, en warmte maakt uit. Het verschil tussen plekken zegt meer dan één getal.",
    },
    o3: {
      what: "Ozon dicht bij de grond. Het ontstaat op zonnige en warme dagen uit vuile lucht. Dat noemen we smog.",
      means: "Is er veel ozon? Dan kunt u beter 's ochtends buiten sporten.",
      from: "Van luchtmeters in de buurt.",
      sure: "Kleine sensoren meten dit gas minder precies, en warmte maakt uit.",
    },
    noise_level: {
      what: "Hoe hard het geluid is, in decibel. De sensor rekent zoals onze oren horen: dB(A).",
      means: "10 decibel meer klinkt ongeveer twee keer zo hard. Jarenlang veel verkeersgeluid, boven 53 decibel, is slecht voor slaap en hart.",
      from: "Van geluidsmeters. Die bewaren alleen het getal: niemand kan meeluisteren, en er wordt niets opgenomen.",
      sure: "De waarde klopt voor de plek van de meter. Om de hoek kan het veel stiller zijn.",
    },
    air_temperature: {
      what: "Hoe warm de lucht is.",
      means: "Vanaf 25 graden is het een zomerse dag, vanaf 30 graden een tropische. Drink genoeg bij hitte, en denk aan uw buren.",
      from: "Van weerstations en luchtmeters.",
      sure: "Op ongeveer één graad. Een sensor in de zon of tegen een muur meet te veel.",
    },
    rainfall: {
      what: "Hoeveel regen er viel, in millimeter. Eén millimeter is één liter op elke vierkante meter.",
      means: "Valt er veel in een uur? Dan kunnen straten en kelders onderlopen.",
      from: "Van weerstations in en om de stad.",
      sure: "Een bui kan hier vallen en een straat verder niet.",
    },
    wind_speed: {
      what: "Hoe hard het waait.",
      means: "Bij harde wind kunnen takken afbreken. Fietsen op dijken en bruggen is dan zwaarder.",
      from: "Van weerstations in en om de stad.",
      sure: "Tussen huizen waait het anders dan bij het weerstation.",
    },
    water_level: {
      what: "Hoe hoog het water staat in een kanaal, sloot of polder. We vergelijken met NAP: dat is ongeveer de hoogte van de zee.",
      means: "In polders staat het water onder nul, en zo hoort het. Het gaat erom hoe ver het van de gewone hoogte af is.",
      from: "Van peilmeters van het waterschap en de gemeente.",
      sure: "Op een paar centimeter. Door wind en boten gaat het water soms even op en neer.",
    },
    freeboard_share: {
      what: "Hoeveel ruimte het water nog heeft tot het gevaarlijk hoog staat. 100 procent: het staat op de goede hoogte.",
      means: "Hoe lager het getal, hoe minder ruimte voor regen. Bij 0 procent staat het water op gevaarpeil.",
      from: "De computer vergelijkt de gemeten hoogte met de hoogtes die voor dit water zijn afgesproken.",
      sure: "Net zo zeker als de gemeten hoogte, dus op een paar centimeter.",
    },
    speed_ratio: {
      what: "Hoe snel het verkeer rijdt, vergeleken met een rustige weg.",
      means: "Bij 1 kunt u doorrijden. Onder 0,5 staat er file.",
      from: "Van tellussen en radars langs de weg. Die kennen geen kentekens.",
      sure: "Goed op drukke wegen. Rijden er weinig auto's, dan verandert één langzame auto het getal.",
    },
    traffic_flow: {
      what: "Hoeveel voertuigen er per uur voorbijkomen.",
      means: "U ziet wanneer een weg druk is. Meer verkeer betekent meestal ook meer geluid en vuilere lucht.",
      from: "Van tellussen en radars langs de weg. Die tellen alleen, en kennen geen kentekens.",
      sure: "Op een paar procent.",
    },
    bicycle_count: {
      what: "Hoeveel fietsen er voorbijkwamen.",
      means: "U ziet waar en wanneer veel mensen fietsen.",
      from: "Van telradars. Die zien dat er iets voorbijkomt, niet wie.",
      sure: "Fietsers naast elkaar tellen soms als één.",
    },
    pedestrian_count: {
      what: "Hoeveel mensen er voorbijliepen.",
      means: "U ziet hoe druk een plein of straat is, bijvoorbeeld als u drukte wilt vermijden.",
      from: "Van telradars. Die zien dat er iets voorbijkomt, niet wie, en maken geen beeld.",
      sure: "Is het erg druk, dan telt hij te weinig.",
    },
    transformer_load: {
      what: "Hoe zwaar een transformator van het stroomnet het heeft. Die geeft een paar straten stroom.",
      means: "Boven 100 procent moet hij meer doen dan waar hij voor is gemaakt. Dat kan even, maar niet lang.",
      from: "Van meters in de elektriciteitshuisjes in de buurt.",
      sure: "Op een paar procent.",
    },
    solar_feed_in: {
      what: "Hoeveel stroom van zonnepanelen de buurt teruggeeft aan het stroomnet.",
      means: "Op zonnige dagen ziet u hoeveel zonnestroom er over is.",
      from: "Van slimme meters, altijd van tien of meer huishoudens samen. Wat één huishouden gebruikt, is nergens te zien.",
      sure: "Alleen huishoudens die meedoen, tellen mee.",
    },
  },
});

/** Returns which explanation a value has: that of a roll-up is that of the value that it rolls up. */
export function explainedOf(property: string): Explained | undefined {
  const base = property.replace(/^area_/, "");
  return EXPLAINED.find((one) => one === base);
}
